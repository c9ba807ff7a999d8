internal import Time

/// What happens later by itself, in order of time and, at one instant, of entry.
struct SandboxAgenda: Sendable {
    enum Step: Sendable, Equatable {
        case beginSetting(String)
        case finishSetting(String)
        case start(String)
        case warnOfDelay(String)
        case giveUp(String)
        case fail(String, SandboxFailure)
        case recover(String)
        case confirmUpdate(String)
        case expire(String)
        case remove(String)
        case failRemoval(String)
        case refill(String)
        case connect(String)
        case disconnect(String)
    }

    private struct Entry: Sendable {
        var at: Timestamp
        var step: Step
    }

    private var entries: [Entry] = []

    var nextDue: Timestamp? { entries.last?.at }

    /// Kept with the earliest last, so that taking it moves nothing.
    mutating func add(_ step: Step, at instant: Timestamp) {
        // The first place at or before `instant`: what came earlier for the same instant lies behind it and is taken first.
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].at <= instant { high = middle } else { low = middle + 1 }
        }
        entries.insert(Entry(at: instant, step: step), at: low)
    }

    mutating func next(dueBy now: Timestamp) -> (step: Step, at: Timestamp)? {
        guard let entry = entries.last, entry.at <= now else { return nil }
        entries.removeLast()
        return (entry.step, entry.at)
    }
}

/// How a code fails: the event that is sent and the errors that the code shows.
package struct SandboxFailure: Sendable, Equatable {
    package var eventType: String
    package var errorCodes: [String]

    package init(
        eventType: String = "access_code.failed_to_set_on_device", errorCodes: [String] = ["failed_to_set_on_device"]
    ) {
        self.eventType = eventType
        self.errorCodes = errorCodes
    }
}
