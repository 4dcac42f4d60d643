# Every function and type that the headers declare is in names.h and names_end.h, by which HIGHERC_PREFIX renames
# them, and none besides; and no field or parameter has the name of one. With -DWRITE=ON they are written anew.
set(folder ${SOURCE}/include/higherc)
file(GLOB headers ${folder}/*.h)
list(FILTER headers EXCLUDE REGEX "/names(_end)?\\.h$")
set(names "")
set(wrong "")
foreach(header ${headers})
  file(READ ${header} text)
  string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
  string(REGEX REPLACE "#[^\n]*\n" "" text "${text}")
  string(REGEX REPLACE "[;[]|]" "@" text "${text}")
  string(APPEND all " ${text}")
  string(REGEX MATCHALL "HC_API [^@(]*\\(" functions "${text}")
  string(REGEX MATCHALL "typedef [^@({]*[(@]" plain "${text}")
  string(REGEX MATCHALL "} *[A-Z][A-Za-z0-9]* *@" closed "${text}")
  foreach(declared ${functions} ${plain} ${closed})
    string(REGEX MATCH "([A-Za-z0-9_]+) *[(@]$" _ "${declared}")
    list(APPEND names ${CMAKE_MATCH_1})
  endforeach()
  file(STRINGS ${header} last REGEX "^#include|^#endif")
  if(NOT last MATCHES "names.h\";.*names_end.h\";#endif$" AND NOT header MATCHES "/higherc\\.h$")
    string(APPEND wrong "${header} does not include names.h last, and names_end.h at its end\n")
  endif()
endforeach()
list(FILTER names EXCLUDE REGEX "^Hc")
list(REMOVE_DUPLICATES names)
list(SORT names)

# A macro renames fields and parameters too.
foreach(name ${names})
  if(name MATCHES "^[a-z]")
    string(REGEX MATCHALL "[^A-Za-z0-9_]${name}[^A-Za-z0-9_]" uses "${all}")
    list(LENGTH uses count)
    if(count GREATER 1)
      string(APPEND wrong "${name} is the name of a function and of something else\n")
    endif()
  endif()
endforeach()

set(begin "/** @file names.h
 *  With HIGHERC_PREFIX defined, as hc_, every function and type of these headers carries it: hc_tensor_add, hc_Tensor.
 *  For programs that have a Tensor, a Pool or a Task of their own. The library has to be built with the same
 *  prefix: -DHIGHERC_PREFIX=hc_ for CMake, whose targets and pkg-config file hand it on.
 *
 *  Each header includes this file before its first declaration and names_end.h after its last, so that the short
 *  names are the program's. With HIGHERC_SHORT_NAMES they stay, as macros: for sources written without a prefix.
 *
 *  Written by tests/headers/names.cmake. */
#ifdef HIGHERC_PREFIX
#define HC_JOIN_(prefix, name) prefix##name
#define HC_JOIN(prefix, name) HC_JOIN_(prefix, name)
")
set(end "/** @file names_end.h
 *  Takes back the short names of names.h. Written by tests/headers/names.cmake. */
#if defined(HIGHERC_PREFIX) && !defined(HIGHERC_SHORT_NAMES)
")
foreach(name ${names})
  string(APPEND begin "#define ${name} HC_JOIN(HIGHERC_PREFIX, ${name})\n")
  string(APPEND end "#undef ${name}\n")
endforeach()
string(APPEND begin "#endif\n")
string(APPEND end "#endif\n")
foreach(pair names=begin names_end=end)
  string(REGEX REPLACE "=.*" "" file ${pair})
  string(REGEX REPLACE ".*=" "" variable ${pair})
  if(WRITE)
    file(WRITE ${folder}/${file}.h "${${variable}}")
  endif()
  file(READ ${folder}/${file}.h written)
  if(NOT written STREQUAL "${${variable}}")
    string(APPEND wrong "${file}.h is not what the headers declare: write it anew, with -DWRITE=ON\n")
  endif()
endforeach()
if(wrong)
  message(FATAL_ERROR "${wrong}")
endif()
