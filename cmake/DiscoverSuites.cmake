# Run after a test program was linked: writes a CTest file with one entry for each of its suites.
#   cmake -D PROGRAM= -D OUTPUT= -D DIRECTORY= -D LABEL= -D TIMEOUT= -D BIN_DIR= -P DiscoverSuites.cmake
# Suites named Reference… or Published… get an entry a case: what they need may be missing, and what is
# skipped is counted by its name.
execute_process(COMMAND ${PROGRAM} --gtest_list_tests WORKING_DIRECTORY ${DIRECTORY}
  OUTPUT_VARIABLE listed RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} --gtest_list_tests ended with ${code}")
endif()
string(REGEX REPLACE "[][;]" "_" listed "${listed}")
string(REPLACE "\n" ";" lines "${listed}")

set(content "")
function(add_entry name filter properties)
  string(APPEND content
    "add_test([=[${name}]=] ${PROGRAM} [=[--gtest_filter=${filter}]=])\n"
    "set_tests_properties([=[${name}]=] PROPERTIES WORKING_DIRECTORY ${DIRECTORY} LABELS ${LABEL}"
    " TIMEOUT ${TIMEOUT} ENVIRONMENT SLOTMATCH_BIN_DIR=${BIN_DIR} ${properties})\n")
  set(content "${content}" PARENT_SCOPE)
endfunction()

foreach(line IN LISTS lines)
  string(REGEX REPLACE " *#.*" "" line "${line}")
  if(line MATCHES "^([^ ]+)\\.$")
    set(suite ${CMAKE_MATCH_1})
    if(suite MATCHES "(^|/)(Reference|Published)")
      set(by_case ON)
    else()
      set(by_case OFF)
      add_entry("${suite}" "${suite}.*" "")
    endif()
  elseif(by_case AND line MATCHES "^  ([^ ]+)$")
    set(case ${suite}.${CMAKE_MATCH_1})
    add_entry("${case}" "${case}" "SKIP_REGULAR_EXPRESSION [=[\\[  SKIPPED \\]]=]")
  endif()
endforeach()
file(WRITE ${OUTPUT} "${content}")
