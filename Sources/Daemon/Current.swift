internal import Settings
internal import Synchronization

/// The configuration in force.
final class Current: Sendable {
    private let value: Mutex<Settings>

    init(_ settings: Settings) { value = Mutex(settings) }

    var settings: Settings { value.withLock { $0 } }

    /// - Returns: the one before.
    func exchange(for new: Settings) -> Settings {
        value.withLock { settings in
            defer { settings = new }
            return settings
        }
    }
}
