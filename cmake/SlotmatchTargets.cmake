# Helpers that give every target of the project the same form.
#
#   sm_room(NAME base SOURCES ... PUBLIC ... PRIVATE ... [TORCH])   static library slotmatch::NAME
#   sm_program(NAME slotmatch_server SOURCES ... LIBS ... [TORCH])  executable in bin/
#   sm_test(NAME base_test SOURCES ... LIBS ... LABEL unit [TORCH] [SUITES])
#       GoogleTest binary, one ctest entry a case; with SUITES one a suite, for programs whose start
#       takes longer than most of their cases (LibTorch: 0.6 s)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set_property(GLOBAL PROPERTY GLOBAL_DEPENDS_NO_CYCLES ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(SLOTMATCH_CCACHE ccache)
if(SLOTMATCH_CCACHE)
  # Precompiled headers need these two to be cacheable.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${SLOTMATCH_CCACHE})
endif()

# The one place for language level, warnings, sanitizers and the linker.
add_library(slotmatch_flags INTERFACE)
add_library(slotmatch::flags ALIAS slotmatch_flags)
target_include_directories(slotmatch_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(slotmatch_flags INTERFACE -Wall -Wextra -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(slotmatch_flags INTERFACE -Wthread-safety -Werror=thread-safety)
endif()
if(SLOTMATCH_SANITIZE)
  target_compile_options(slotmatch_flags INTERFACE
    -fsanitize=${SLOTMATCH_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(slotmatch_flags INTERFACE -fsanitize=${SLOTMATCH_SANITIZE})
endif()
find_program(SLOTMATCH_MOLD mold)
if(SLOTMATCH_MOLD AND NOT SLOTMATCH_SANITIZE)
  target_link_options(slotmatch_flags INTERFACE -fuse-ld=mold)
endif()

function(_sm_common target torch)
  target_link_libraries(${target} PUBLIC slotmatch::flags)
  if(torch)
    target_link_libraries(${target} PUBLIC slotmatch::torch)
    if(TARGET slotmatch_torch_pch)
      # A precompiled header fits only one of -fPIC and -fPIE: programs take the libraries' way.
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${target} PRIVATE -fPIC)
      target_precompile_headers(${target} REUSE_FROM slotmatch_torch_pch)
    endif()
  endif()
endfunction()

function(sm_room)
  cmake_parse_arguments(A "TORCH" "NAME" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target slotmatch_${A_NAME})
  add_library(${target} STATIC ${A_SOURCES})
  add_library(slotmatch::${A_NAME} ALIAS ${target})
  _sm_common(${target} ${A_TORCH})
  target_link_libraries(${target} PUBLIC ${A_PUBLIC} PRIVATE ${A_PRIVATE})
endfunction()

function(sm_program)
  cmake_parse_arguments(A "TORCH" "NAME" "SOURCES;LIBS" ${ARGN})
  add_executable(${A_NAME} ${A_SOURCES})
  _sm_common(${A_NAME} ${A_TORCH})
  target_link_libraries(${A_NAME} PRIVATE ${A_LIBS})
endfunction()

# For code of tests, which is compiled more often than it runs. Not with LibTorch: its precompiled
# header fits one level of optimisation.
function(sm_quick_to_compile target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

function(sm_test)
  cmake_parse_arguments(A "TORCH;SUITES" "NAME;LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  if(SLOTMATCH_SANITIZE MATCHES thread)
    list(APPEND A_SOURCES ${CMAKE_SOURCE_DIR}/tests/support/tsan_absl.cc)
    list(APPEND A_LIBS absl::synchronization ${CMAKE_DL_LIBS})
  endif()
  add_executable(${A_NAME} ${A_SOURCES})
  _sm_common(${A_NAME} ${A_TORCH})
  if(NOT A_TORCH)
    sm_quick_to_compile(${A_NAME})
  endif()
  target_link_libraries(${A_NAME} PRIVATE ${A_LIBS} GTest::gmock GTest::gtest_main)
  set_target_properties(${A_NAME} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(A_SUITES)
    set(entries ${CMAKE_CURRENT_BINARY_DIR}/${A_NAME}_suites.cmake)
    add_custom_command(TARGET ${A_NAME} POST_BUILD BYPRODUCTS ${entries} VERBATIM
      COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:${A_NAME}> -D OUTPUT=${entries}
              -D DIRECTORY=${CMAKE_SOURCE_DIR} -D LABEL=${A_LABEL} -D TIMEOUT=${A_TIMEOUT}
              -D BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
              -P ${CMAKE_SOURCE_DIR}/cmake/DiscoverSuites.cmake)
    # A program that is not built yet is a test that fails by its name.
    file(CONFIGURE OUTPUT ${A_NAME}_include.cmake @ONLY CONTENT
"if(EXISTS \"@entries@\")
  include(\"@entries@\")
else()
  add_test(@A_NAME@_NOT_BUILT @A_NAME@_NOT_BUILT)
endif()
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES
      ${CMAKE_CURRENT_BINARY_DIR}/${A_NAME}_include.cmake)
    return()
  endif()
  gtest_discover_tests(${A_NAME}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} DISCOVERY_TIMEOUT 120
    PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT}
      ENVIRONMENT "SLOTMATCH_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
endfunction()
