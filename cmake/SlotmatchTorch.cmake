# LibTorch as one interface target, used by the torch rooms only: Debian's package, or with
# SLOTMATCH_TORCH_WHEELS one with CUDA. find_package(Torch) would add flags to everything and look for
# tools that are not needed, so directories and libraries are taken directly.
set(SLOTMATCH_TORCH_WHEELS "" CACHE PATH "Folder of PyPI's wheels with CUDA; empty: Debian's LibTorch")
if(SLOTMATCH_TORCH_WHEELS)
  include(SlotmatchTorchWheels)
else()
  find_path(SLOTMATCH_TORCH_INCLUDE torch/csrc/api/include/torch/torch.h REQUIRED)
  find_library(SLOTMATCH_LIBTORCH torch REQUIRED)
  find_library(SLOTMATCH_LIBTORCH_CPU torch_cpu REQUIRED)
  find_library(SLOTMATCH_LIBC10 c10 REQUIRED)
  set(SLOTMATCH_TORCH_LIBRARIES ${SLOTMATCH_LIBTORCH} ${SLOTMATCH_LIBTORCH_CPU} ${SLOTMATCH_LIBC10})
  set(SLOTMATCH_WITH_CUDA OFF)
endif()
find_package(OpenMP REQUIRED)

add_library(slotmatch_torch INTERFACE)
add_library(slotmatch::torch ALIAS slotmatch_torch)
target_include_directories(slotmatch_torch SYSTEM INTERFACE
  ${SLOTMATCH_TORCH_INCLUDE} ${SLOTMATCH_TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(slotmatch_torch INTERFACE ${SLOTMATCH_TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
if(SLOTMATCH_WITH_CUDA)
  # Nothing names libtorch_cuda's symbols: it registers its kernels as it is loaded.
  target_link_options(slotmatch_torch INTERFACE -Wl,--no-as-needed)
endif()

# Parsing torch/torch.h takes 20 s a file; once precompiled, a torch source compiles in a third.
option(SLOTMATCH_TORCH_PCH "Precompile torch/torch.h" ON)
if(SLOTMATCH_TORCH_PCH)
  file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cc "")
  add_library(slotmatch_torch_pch STATIC ${CMAKE_BINARY_DIR}/torch_pch.cc)
  target_link_libraries(slotmatch_torch_pch PUBLIC slotmatch::flags slotmatch::torch)
  set_target_properties(slotmatch_torch_pch PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(slotmatch_torch_pch PRIVATE -fPIC)
  target_precompile_headers(slotmatch_torch_pch PRIVATE <torch/torch.h>)
endif()
