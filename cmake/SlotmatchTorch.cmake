# LibTorch as one interface target, used by the torch rooms only. Debian's package by default; another
# build through CMAKE_PREFIX_PATH. find_package(Torch) would add flags to everything and look for
# tools that are not needed, so the two directories and three libraries are taken directly.
find_path(SLOTMATCH_TORCH_INCLUDE torch/csrc/api/include/torch/torch.h REQUIRED)
find_library(SLOTMATCH_LIBTORCH torch REQUIRED)
find_library(SLOTMATCH_LIBTORCH_CPU torch_cpu REQUIRED)
find_library(SLOTMATCH_LIBC10 c10 REQUIRED)
find_package(OpenMP REQUIRED)

add_library(slotmatch_torch INTERFACE)
add_library(slotmatch::torch ALIAS slotmatch_torch)
target_include_directories(slotmatch_torch SYSTEM INTERFACE
  ${SLOTMATCH_TORCH_INCLUDE} ${SLOTMATCH_TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(slotmatch_torch INTERFACE
  ${SLOTMATCH_LIBTORCH} ${SLOTMATCH_LIBTORCH_CPU} ${SLOTMATCH_LIBC10} OpenMP::OpenMP_CXX)

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
