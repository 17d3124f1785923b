package import GLMFiles
import GLMKernels
import GLMParallel
import GLMWeights

extension LanguageModel {
    /// Loads a folder in the released layout: `config.json` and safetensors.
    ///
    /// Weights stay in the mapped files, except F16, which is widened. Unless `options.lazy`, narrow shares of several devices are
    /// copied, every other page is read once, which brings it into memory, codes that are not numbers are found, and how weights are
    /// best asked for is tried on a sample of them (``FetchTuning``; not by processes of a group).
    /// - Throws: `InputError` for anything missing, malformed, unsupported, or left over; for a layout of devices
    ///   that does not divide the model.
    package static func load(
        directory: String, options: LoadOptions, progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) throws(InputError) -> LanguageModel {
        let configuration = try GLMConfiguration.load(path: directory + "/config.json")
        try InstructionSet.check()
        try options.checkProducts(configuration)
        try configuration.check(options.devices.layout) {
            options.brokenBlock(of: configuration, in: $0) == nil
        }
        let checkpoint = try Checkpoint.open(directory: directory)
        let devices = options.devices.makeDevices()
        if case .process = options.devices.transport, let device = devices.first {
            Agreement(checkpoint: checkpoint, configuration: configuration, options: options).reach(device)
        }
        var models: [LanguageModel] = []
        for device in devices {
            models.append(
                try LanguageModel(
                    configuration: configuration, checkpoint: checkpoint, options: options,
                    compute: options.compute(of: device), device: device))
        }
        let copied = models.reduce(into: Set()) { $0.formUnion($1.copiedTensors) }
        checkpoint.release(copied)
        // One device looks for all.
        if !options.lazy, devices[0].rank == 0 {
            let total = checkpoint.byteCount
            let pool = models.count > 1 ? ThreadPool(threads: options.threads) : models[0].compute.pool
            try checkpoint.scan(pool: pool, copied: copied) { done in
                progress?(LoadProgress(completedBytes: done, totalBytes: total))
            }
            if case .threads = options.devices.transport { tune(models, checkpoint, copied, pool) }
            // Neighbours in a huge page brought each other in. Behind the trial, which is not to wait for pages.
            checkpoint.release(copied)
        }
        if case .process = options.devices.transport { devices[0].meet(at: CollectiveSite(.loaded)) }
        for model in models.dropFirst() { startThread { model.follow() } }
        return models[0]
    }

    /// Lets all devices ask for weights in the ways that are best here.
    private static func tune(
        _ models: [LanguageModel], _ checkpoint: Checkpoint, _ copied: Set<Int>, _ pool: ThreadPool
    ) {
        let (kernels, arithmetic) = (models[0].compute.kernels, models[0].compute.arithmetic)
        // Rows of the embedding are copied, never multiplied.
        let matrices = checkpoint.matrices(besides: ["model.embed_tokens.weight"], copied: copied)
        guard let tuning = FetchTuning(matrices, for: kernels) else { return }
        let ways = tuning.fastest(kernels, pool, arithmetic: arithmetic)
        for model in models { model.compute.fetch(ways) }
    }
}

extension DeviceOptions {
    /// The devices that this process plays: all of a group of threads, or its own of a group of processes.
    fileprivate func makeDevices() -> [Device] {
        switch transport {
        case .process(let communicator):
            return [Device(communicator, plan: Partition(layout, rank: communicator.rank), failed: failed)]
        case .threads where layout.tensor == 1: return [.single()]
        case .threads:
            let group = VirtualDevices(count: layout.tensor, timeout: timeout)
            return (0..<layout.tensor).map {
                Device(group.device($0), plan: Partition(layout, rank: $0), failed: failed)
            }
        }
    }
}

extension LoadOptions {
    /// The machine of one device: its share of the threads, and a profile of its own.
    fileprivate func compute(of device: Device) throws(InputError) -> Compute {
        let pool =
            switch devices.transport {
            case .threads:
                ThreadPool(
                    threads: max(1, threads / devices.layout.tensor), pools: devices.layout.tensor)
            case .process:
                ThreadPool(
                    threads: threads, pools: devices.neighbours.processes,
                    processors: devices.neighbours.processors)
            }
        return Compute(
            kernels: .table(instructionSet), pool: pool, blas: try gemm.library(),
            profile: device.rank == 0 ? profile : profile.map { _ in Profile(laps: false) },
            arithmetic: numerics)
    }
}
