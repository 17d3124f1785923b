package import GLMFiles
package import GLMKernels
package import GLMParallel
import GLMTensor
import GLMWeights

/// A loaded checkpoint: configuration, trunk, MTP layer, and the machine that runs them.
///
/// Immutable; any number of sequences can be run on it, each with a cache of its own.
package final class LanguageModel: Sendable {
    package let configuration: GLMConfiguration
    /// Tokens a sequence may hold, prompt and answer together.
    package let contextSize: Int
    package let transformer: Transformer
    /// The MTP layer, when the checkpoint has one.
    package let eagleHead: EagleHead?
    package let compute: Compute
    /// Where a page of a trunk cache keeps what.
    package let cacheLayout: CacheLayout

    /// Places of the checkpoint's tensors of which this device has copies instead of views.
    package let copiedTensors: Set<Int>

    /// This model's place among the devices that share it.
    package let device: Device
    /// The other devices, when this is the first of several.
    private let group: DeviceGroup?

    init(
        configuration: GLMConfiguration, checkpoint: Checkpoint, options: LoadOptions, compute: Compute,
        device: Device
    ) throws(InputError) {
        contextSize = try LanguageModel.contextSize(options.contextSize, configuration)
        let plan = device.plan
        let part: WeightScope.PartOfMatrix = { name, rows, columns in
            plan.part(of: name, rows: rows, columns: columns)
        }
        let weights = WeightScope(
            checkpoint,
            block: configuration.weightBlock.map { BlockShape(rows: $0.rows, columns: $0.columns) },
            copiesShares: !options.lazy, part: device.isAlone ? nil : part)
        let numerics = NumericOptions(
            latentNormEpsilon: options.latentNormEpsilon, keySelection: options.keySelection)
        transformer = try Transformer(
            weights: weights, configuration: configuration, options: numerics, compute: compute,
            device: device)
        eagleHead =
            configuration.nextTokenLayerCount > 0
            ? try EagleHead(
                weights: weights.scope("model.layers.\(configuration.layerCount)"),
                configuration: configuration, options: numerics, compute: compute, device: device)
            : nil
        try weights.finish()
        copiedTensors = weights.copied
        self.configuration = configuration
        self.compute = compute
        self.device = device
        group = device.isAlone || device.rank > 0 ? nil : DeviceGroup(device)
        cacheLayout = CacheLayout(
            configuration, layers: 0..<configuration.layerCount, format: options.cacheFormat)
    }

    deinit { group?.stop() }

    /// Tokens a sequence may hold when `wanted` are asked for; nil is all that the model was made for.
    /// - Throws: an `InputError` of kind `usage` for none, or for more than that.
    package static func contextSize(
        _ wanted: Int?, _ configuration: GLMConfiguration
    ) throws(InputError) -> Int {
        let longest = configuration.maximumPositions
        guard let wanted else { return longest }
        guard (1...longest).contains(wanted) else {
            throw InputError(
                .usage, subject: "--ctx-size", found: "\(wanted)",
                expected: "1 to \(longest), the model's max_position_embeddings")
        }
        return wanted
    }

    /// An empty cache for one sequence of the MTP layer.
    package func makeDraftCache() -> SequenceCache {
        SequenceCache(
            layout: CacheLayout(
                configuration, layers: configuration.layerCount..<configuration.storedLayerCount,
                format: cacheLayout.format))
    }

    /// An empty cache for one sequence.
    package func makeCache() -> SequenceCache { SequenceCache(layout: cacheLayout) }

    /// Runs the new tokens of several sequences and extends their caches.
    ///
    /// A row's result does not depend on the other rows, on how its prompt was cut, or on the number of
    /// threads.
    /// - Precondition: one cache a step; token ids inside the vocabulary; no sequence beyond `contextSize`. A trace is told
    ///   of the rows on this device: where groups of devices serve sequences of their own, all must be this one's.
    package func forward(
        _ steps: [SequenceStep], caches: inout [SequenceCache], trace: Trace? = nil
    ) -> ForwardOutput {
        for (step, cache) in zip(steps, caches) {
            precondition(
                cache.length + step.tokens.count <= contextSize,
                "\(cache.length) + \(step.tokens.count) tokens in a context of \(contextSize)")
        }
        guard let group else { return transformer(steps, caches: &caches, trace: trace) }
        return group.lead(.trunk(steps), caches: &caches) { caches in
            precondition(trace == nil || caches.allSatisfy(\.isKept), "a trace of rows on other devices")
            return transformer(steps, caches: &caches, trace: trace)
        }
    }

    /// Runs new rows of several draft sequences through the MTP layer and extends their caches.
    ///
    /// - Precondition: the model has an MTP layer; as for ``EagleHead``.
    package func draft(
        _ steps: [EagleStep], caches: inout [SequenceCache], trace: Trace? = nil
    ) -> EagleOutput {
        guard let eagleHead else { preconditionFailure("a draft by a model without an MTP layer") }
        guard let group else {
            return eagleHead(steps, caches: &caches, transformer: transformer, trace: trace)
        }
        return group.lead(.draft(steps), caches: &caches) { caches in
            precondition(trace == nil || caches.allSatisfy(\.isKept), "a trace of rows on other devices")
            return eagleHead(steps, caches: &caches, transformer: transformer, trace: trace)
        }
    }

    /// What each device that shares this model has done so far, by rank.
    /// - Precondition: this is the first device.
    package func deviceReports() -> [DeviceReport] { group?.reports(own: ownReport) ?? [ownReport] }

    /// What this device has done so far.
    var ownReport: DeviceReport {
        DeviceReport(traffic: device.ledger.entries, work: compute.profile?.work ?? .none)
    }

    /// Lets the other devices go. Nothing can be computed afterwards; without a group it does nothing.
    package func disband() { group?.stop() }

    /// Does what the first device of the group says, until it is told to stop.
    /// - Precondition: this is not the first device.
    package func follow() {
        precondition(device.rank > 0, "the first device follows nobody")
        var follower = DeviceFollower(self)
        follower.run()
    }
}
