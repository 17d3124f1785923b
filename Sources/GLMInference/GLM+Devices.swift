package import GLMParallel

extension GLM {
    /// What the devices that share the model have exchanged so far.
    package var traffic: TrafficReport { TrafficReport(devices: model.deviceReports().map(\.traffic)) }
}
