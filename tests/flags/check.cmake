# Flags of a user's that the arithmetic cannot stand. With the library's own flags behind them they do no harm;
# by hand, without those, a file is refused in words or computes as it should, or the compiler warns. Flags that the
# compiler does not know are left out.
# COMPILER, ID, MORE (what it needs always), OWN (the library's flags), EMULATOR, SOURCE.
cmake_minimum_required(VERSION 3.16)
set(hostile
    "-O2" "-O2 -std=gnu11" "-O2 -mfma" "-O2 -mfma -std=gnu11" "-O2 -mfma -ffp-contract=fast"
    "-O2 -ffp-contract=fast" "-O2 -ffast-math" "-Ofast" "-Ofast -mfma" "-O2 -funsafe-math-optimizations"
    "-O2 -ffinite-math-only" "-O2 -fassociative-math -fno-signed-zeros -fno-trapping-math" "-O2 -freciprocal-math"
    "-O2 -fno-signed-zeros" "-O2 -frounding-math" "-O2 -fexcess-precision=fast" "-O2 -fexcess-precision=standard"
    "-O2 -ffloat-store" "-O2 -mfpmath=387" "-O2 -mno-sse2" "-O2 -fsingle-precision-constant")
set(refusal "libhigherc (cannot|needs)")
set(unseen "") # by hand
if(ID MATCHES "Clang")
  set(unseen "-ffp-contract=fast")
endif()
foreach(list MORE OWN EMULATOR)
  separate_arguments(${list} UNIX_COMMAND "${${list}}")
endforeach()
set(wrong "")

# Sets result to refused, warned, wrong or right.
function(try result)
  execute_process(COMMAND ${COMPILER} ${MORE} -std=c11 ${ARGN} -I${SOURCE}/src
                          ${SOURCE}/tests/flags/probe.c -lm -o probe.exe
                  RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text)
  string(FIND "${text}" "not supported on this target" warned)
  if(NOT failed)
    execute_process(COMMAND ${EMULATOR} ./probe.exe RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text)
  endif()
  if(NOT failed)
    set(${result} right PARENT_SCOPE)
  elseif(text MATCHES "${refusal}")
    set(${result} refused PARENT_SCOPE)
  elseif(warned GREATER -1)
    set(${result} warned PARENT_SCOPE)
  else()
    message("${text}")
    set(${result} wrong PARENT_SCOPE)
  endif()
endfunction()

file(WRITE empty.c "int main(void) { return 0; }\n")
foreach(flags ${hostile})
  separate_arguments(list UNIX_COMMAND "${flags}")
  execute_process(COMMAND ${COMPILER} ${MORE} ${list} -Werror empty.c -o probe.exe
                  RESULT_VARIABLE unknown OUTPUT_QUIET ERROR_QUIET)
  if(unknown)
    continue()
  endif()
  try(by_hand ${list})
  try(own ${list} ${OWN})
  message("${flags}: by hand ${by_hand}, with the library's flags ${own}")
  if(unseen AND "${MORE};${flags}" MATCHES "${unseen}")
    set(by_hand right)
  endif()
  if(by_hand STREQUAL "wrong" OR NOT own STREQUAL "right")
    string(APPEND wrong "the numbers with ${flags}\n")
  endif()
endforeach()

# No file of the library escapes.
file(GLOB files ${SOURCE}/src/*/*.c)
foreach(file ${files})
  execute_process(COMMAND ${COMPILER} ${MORE} -std=c11 -ffast-math -DHC_LEVEL=level -DHC_REAL_BITS=32
                          -I${SOURCE}/include -I${SOURCE}/src -E ${file} OUTPUT_QUIET ERROR_VARIABLE text)
  if(NOT text MATCHES "${refusal}")
    string(APPEND wrong "${file} compiles with -ffast-math\n")
  endif()
endforeach()
if(wrong)
  message(FATAL_ERROR "${wrong}")
endif()
