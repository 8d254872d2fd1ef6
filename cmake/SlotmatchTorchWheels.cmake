# LibTorch with CUDA from PyPI's wheels `torch` and `nvidia-*`, unpacked side by side in
# SLOTMATCH_TORCH_WHEELS; scripts/cuda.sh fetches them. Sets what SlotmatchTorch.cmake links.
set(root ${SLOTMATCH_TORCH_WHEELS})
foreach(needed torch/include/ATen torch/lib/libtorch_cuda.so nvidia/cu13/include nvidia/nccl/include)
  if(NOT EXISTS ${root}/${needed})
    message(FATAL_ERROR "SLOTMATCH_TORCH_WHEELS=${root} has no ${needed}; ./dev cuda fetches the wheels")
  endif()
endforeach()

# Of the wheel's headers LibTorch's own: it brings an older protobuf and a newer fmt than Debian's,
# which nothing of this project may see.
set(SLOTMATCH_TORCH_INCLUDE ${CMAKE_BINARY_DIR}/torch_include)
file(MAKE_DIRECTORY ${SLOTMATCH_TORCH_INCLUDE})
foreach(folder ATen c10 caffe2 torch)
  file(CREATE_LINK ${root}/torch/include/${folder} ${SLOTMATCH_TORCH_INCLUDE}/${folder} SYMBOLIC)
endforeach()

set(SLOTMATCH_TORCH_LIBRARIES)
foreach(library torch torch_cpu torch_cuda c10 c10_cuda)
  list(APPEND SLOTMATCH_TORCH_LIBRARIES ${root}/torch/lib/lib${library}.so)
endforeach()
set(SLOTMATCH_CUDA_INCLUDE ${root}/nvidia/cu13/include ${root}/nvidia/nccl/include)
set(SLOTMATCH_WITH_CUDA ON)
