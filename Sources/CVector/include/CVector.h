// The C side of the kernels, headers only: vector primitives, instruction-set thunks, processor detection.
// The loops are Swift (GLMKernels).
#pragma once
#include "MatrixTiles.h"
#include "Memory.h"
#include "NumericPrimitives.h"
#include "NumericThunks.h"
#include "Primitives.h"
#include "Processor.h"
#include "Thunks.h"
