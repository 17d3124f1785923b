// The pieces of a shard on several threads. Knows no number.

package import GLMFiles
package import GLMKernels
package import GLMSynthesis
import Synchronization

extension ConvertedShard {
    /// Writes header and tensors; of several pieces that fail the first in order is told, whatever the threads.
    ///
    /// - Parameter advance: called with the bytes of each piece, from several threads.
    /// - Throws: `badInput` naming tensor and place of a value that cannot be converted, `inputOutput`.
    package func write(
        into file: StagedFile, pool: ThreadPool, advance: @Sendable (_ bytes: Int) -> Void = { _ in }
    ) throws(InputError) {
        try file.write(header, at: 0)
        advance(header.count)
        let jobs = ConversionJob.all(of: self)
        let failure = Mutex<(number: Int, error: InputError)?>(nil)
        pool.parallel(jobs.count) { number in
            guard number < failure.withLock({ $0?.number ?? .max }) else { return }
            do throws(InputError) {
                advance(try jobs[number].run(into: file))
            } catch {
                failure.withLock { if number < $0?.number ?? .max { $0 = (number, error) } }
            }
        }
        for unit in units { unit.source.releaseMemory() }
        if let failure = failure.withLock({ $0 }) { throw failure.error }
    }
}
