/// How the products of a model treat their inputs; part of every result, and never chosen silently.
public enum ProductArithmetic: String, Sendable, CaseIterable {
    /// Activations stay Float32; a stored weight stands for one exact Float32.
    case float32
    /// Activations are rounded to BF16 wherever they are stored, as GPU engines do; weights in FP8 are taken
    /// in BF16; sums stay Float32.
    case bfloat16
    /// Inputs of a product that have block scales are quantised to E4M3, a token and a block of columns at a
    /// time; other products are those of `float32`.
    case w8a8

    /// The arithmetic of a matrix whose inputs are never quantised, such as the one that expands latents.
    public var weightOnly: ProductArithmetic { self == .w8a8 ? .float32 : self }
}
