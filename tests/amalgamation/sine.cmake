# maml_sine of the two files and OTHER, of the library's own build, write the same numbers at the same level of
# kernels: LEVEL, which is what the flags made of the two files.
if(NOT LEVEL)
  set(LEVEL baseline)
endif()
set(ENV{HIGHERC_ISA} ${LEVEL})
foreach(pair two=${PROGRAM} other=${OTHER})
  string(REGEX MATCH "^([a-z]+)=(.*)" _ "${pair}")
  set(out ${CMAKE_CURRENT_BINARY_DIR}/sine_${CMAKE_MATCH_1})
  execute_process(COMMAND ${CMAKE_MATCH_2} --iterations 100 --eval-tasks 20 --quiet --out ${out}
                  RESULT_VARIABLE result OUTPUT_QUIET)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${CMAKE_MATCH_2} ended with ${result}")
  endif()
  file(READ ${out}/results.csv numbers_${CMAKE_MATCH_1})
endforeach()
if(NOT numbers_two STREQUAL numbers_other)
  message(FATAL_ERROR "other numbers:\n${numbers_two}\nthan:\n${numbers_other}")
endif()
