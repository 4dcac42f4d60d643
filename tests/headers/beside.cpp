// The same in C++, where a namespace is open that has a Tensor too.
#include OTHER
using USING;
#include "beside.c"
