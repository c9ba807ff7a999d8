/// The access codes by id, with an index by device: a simulation has many thousands, a lock a few.
struct SandboxCodes: Sendable {
    private var codes: [String: SandboxCode] = [:]
    private var idsByDevice: [String: Set<String>] = [:]

    /// A code never moves to another device.
    subscript(id: String) -> SandboxCode? {
        get { codes[id] }
        set {
            if let newValue {
                if codes.updateValue(newValue, forKey: id) == nil {
                    idsByDevice[newValue.deviceID, default: []].insert(id)
                }
            } else if let removed = codes.removeValue(forKey: id) {
                idsByDevice[removed.deviceID]?.remove(id)
            }
        }
    }

    /// In no order.
    func on(_ deviceID: String) -> [SandboxCode] {
        idsByDevice[deviceID]?.compactMap { codes[$0] } ?? []
    }

    /// In the order of creation.
    var all: [SandboxCode] { codes.values.sorted { $0.order < $1.order } }
}
