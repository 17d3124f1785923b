// Vector primitives, instruction-set thunks and processor detection. Headers only: the loops themselves are Swift (GLMKernels).
#pragma once
#include <stdint.h>
#include <string.h>
