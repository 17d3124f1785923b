#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Ends the program as one that was called wrongly.
func exitWithUsage() -> Never { exit(64) }
