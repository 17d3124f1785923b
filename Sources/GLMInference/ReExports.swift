// What an embedder needs from other rooms comes with `import GLMInference`.

@_exported public import GLMModel
@_exported public import GLMText

@_exported public import struct GLMDecoding.SamplingParameters
@_exported public import struct GLMDecoding.TokenBias
@_exported public import struct GLMFiles.InputError
@_exported public import enum GLMKernels.CacheFormat
@_exported public import class GLMKernels.Compute
@_exported public import enum GLMKernels.Float8E4M3
@_exported public import enum GLMKernels.FreedMemory
@_exported public import enum GLMKernels.InstructionSet
@_exported public import struct GLMKernels.Kernels
@_exported public import enum GLMKernels.ProductArithmetic
@_exported public import class GLMKernels.ThreadPool
@_exported public import struct GLMTensor.Tensor
@_exported public import struct GLMWeights.WeightMatrix
