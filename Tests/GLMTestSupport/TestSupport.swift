// Shared helpers of all test targets.
