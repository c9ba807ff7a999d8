internal import Ledger
internal import Logging
internal import Policy
internal import Seam
internal import Time

/// One pass over the failovers of one lock. All that are due are read first; those that need a code then draw from the pool in the
/// order in which their stays start.
struct LaneRun {
    /// A reading older than this is made again before a pull.
    static let readingLifetime = Duration.seconds(5)
    /// The first in line for an empty pool asks at least so often once its stay is near: whoever it is may stand at the door.
    private static let nearRetry = Duration.seconds(60)
    /// How many failovers one pass takes; the next pass takes the rest.
    private static let passLimit = 200
    /// A failover whose stay was never learned ends after this.
    private static let unknownStay = Duration.seconds(30 * 86_400)

    struct Candidate {
        var failover: Failover
        /// A later stay is about to draw: there is nothing more to be watched for.
        var isHurried: Bool
        var code: AccessCode
        var readAt: Timestamp
    }

    let engine: FailoverEngine
    let lane: Lane
    private var device: Device?
    private var deviceIsRead = false
    /// The failover that draws next from this pool.
    private var firstInLine: String?
    var lastPullAt: Timestamp?
    var lastDrawAt: Timestamp?

    init(engine: FailoverEngine, lane: Lane) {
        self.engine = engine
        self.lane = lane
    }

    var now: Timestamp { engine.clock.now() }

    mutating func work() async throws(LedgerError) {
        if engine.settings.reserve > 0 { lastDrawAt = try await engine.ledger.lastDraw(in: lane) }
        firstInLine = try await engine.ledger.activeFailovers(in: lane, limit: 1).first?.id
        // Of those that are due: behind two hundred that wait, one that is due would never have its turn.
        let due = try await engine.ledger.dueFailovers(in: lane, now: now, limit: Self.passLimit)
        var candidates: [Candidate] = []
        for failover in due {
            if let candidate = try await look(at: failover) { candidates.append(candidate) }
        }
        // What waits with a sooner stay goes first, although its own next look is not due yet.
        if let latest = candidates.map({ order($0.failover, $0.code) }).max() {
            let known = Set(candidates.map(\.failover.id))
            let looked = Set(due.map(\.id))
            for failover in try await engine.ledger.activeFailovers(in: lane, limit: Self.passLimit)
            where !known.contains(failover.id) && order(failover, nil) < latest {
                guard failover.mayStillDraw(wasLookedAt: looked.contains(failover.id)) else { continue }
                // One that nobody had read yet may turn out to start later: then it has its turn in the next pass, among its own.
                if let candidate = try await look(at: failover, isHurried: true),
                    order(candidate.failover, candidate.code) < latest
                {
                    candidates.append(candidate)
                }
            }
        }
        for candidate in candidates.sorted(by: { order($0.failover, $0.code) < order($1.failover, $1.code) }) {
            guard try await draw(candidate) else { break }
        }
    }

    /// The stay's start, then the age of the failover; a stay without a start is under way.
    private func order(_ failover: Failover, _ code: AccessCode?) -> DrawOrder {
        DrawOrder(
            startsAt: code?.startsAt ?? failover.originalStartsAt ?? Timestamp(secondsSinceEpoch: 0),
            openedAt: failover.openedAt, id: failover.id)
    }

    /// Reads the code and settles the failover, unless what it needs is a pull.
    mutating func look(
        at failover: Failover, isHurried: Bool = false
    ) async throws(LedgerError) -> Candidate? {
        let calls = CallRecorder()
        let code: AccessCode?
        do {
            code = try await engine.seam.observing(calls.add).accessCode(id: failover.accessCodeID)
        } catch {
            // A daemon that stops says nothing about Seam.
            if Task.isCancelled { return nil }
            guard case .notFound = error.failure else {
                try await settle(failover, after: error, reading: nil, calls: calls)
                return nil
            }
            code = nil
        }
        if let code, lane != .device(code.deviceID) {
            // Its event did not name its lock: it draws in that lock's lane, not beside it.
            try await engine.ledger.record(
                FailoverStep(
                    state: .pending, reason: "", nextAttemptAt: now, reading: code, journal: calls.entries(of: failover)
                ),
                of: failover, now: now)
            return nil
        }
        if let code { await readDevice(code.deviceID, calls: calls) }
        let decision = decide(situation(failover, code, isHurried: isHurried))
        switch decision {
        case .pull:
            guard let code else { return nil }
            try await journal(calls, of: failover)
            return Candidate(failover: failover, isHurried: isHurried, code: code, readAt: now)
        case .adopt(let backupID):
            guard let code else { return nil }
            try await adopt(backupID, for: failover, reading: code, calls: calls)
        case .notNeeded, .ineligible, .expired, .wait:
            try await settle(failover, decision, reading: code, calls: calls)
        }
        return nil
    }

    func situation(_ failover: Failover, _ code: AccessCode?, isHurried: Bool = false) -> Situation {
        Situation(
            code: code, knownEndsAt: failover.originalEndsAt, device: device, now: now,
            leadTime: engine.settings.leadTime, reserve: engine.settings.reserve, lastDrawAt: lastDrawAt,
            drawDelay: isHurried ? .zero : engine.settings.drawDelay, openedAt: failover.openedAt,
            hasWaited: failover.state == .waiting)
    }

    /// Reads the lock once a pass. That it cannot be read never blocks a pull.
    private mutating func readDevice(_ deviceID: String, calls: CallRecorder) async {
        guard !deviceIsRead else { return }
        deviceIsRead = true
        do {
            let read = try await engine.seam.observing(calls.add).device(id: deviceID)
            device = read
            try await PoolHealth.keep(
                read, in: engine.ledger, channels: engine.settings.channels, now: now, log: engine.log)
        } catch {
            var metadata: Logger.Metadata = ["device_id": "\(deviceID)", "error": "\(error)"]
            if let requestID = calls.lastRequestID { metadata["request_id"] = "\(requestID)" }
            engine.log.debug("The lock could not be read or kept", metadata: metadata)
        }
    }

    func settle(
        _ failover: Failover, after error: SeamError, reading: AccessCode?, calls: CallRecorder
    ) async throws(LedgerError) {
        let endsAt = reading?.endsAt ?? failover.originalEndsAt ?? failover.openedAt + Self.unknownStay
        try await settle(
            failover, decide(after: error.failure, endsAt: endsAt, now: now), reading: reading,
            errorType: error.failure.errorType, calls: calls)
    }

    func settle(
        _ failover: Failover, _ decision: Decision, reading: AccessCode?, errorType: String? = nil, calls: CallRecorder
    ) async throws(LedgerError) {
        let step = step(failover, decision, reading: reading, errorType: errorType, calls: calls)
        try await engine.ledger.record(step, of: failover, now: now)
        report(failover, step)
    }

    private func journal(_ calls: CallRecorder, of failover: Failover) async throws(LedgerError) {
        try await engine.ledger.journal(calls.entries(of: failover), at: now)
    }

    func step(
        _ failover: Failover, _ decision: Decision, reading: AccessCode?, errorType: String?, calls: CallRecorder
    ) -> FailoverStep {
        let outcome = decision.outcome(of: failover)
        var next: Timestamp?
        if case .wait(let reason, let until) = decision {
            // What it waits for now for the first time begins with the shortest wait; the stay's end is looked at when it comes.
            let attempt = failover.reason == reason.rawValue ? failover.attempts + 1 : 1
            var retry = engine.settings.retry
            let isNear = (reading?.startsAt ?? failover.originalStartsAt).map { $0 <= now + nearStay } ?? true
            if reason == .poolEmpty, isNear, failover.id == firstInLine {
                retry.maximum = min(retry.maximum, Self.nearRetry)
            }
            // Whoever asks for no wait gets the backoff's all the same.
            let backoff = now + engine.random.delay(retry, afterAttempt: attempt)
            next = reason == .rateLimited ? max(until ?? backoff, backoff) : until ?? backoff
            if let endsAt = reading?.endsAt ?? failover.originalEndsAt, let wanted = next { next = min(wanted, endsAt) }
        }
        return FailoverStep(
            state: outcome.state, reason: outcome.reason, nextAttemptAt: next, reading: reading,
            lastErrorType: errorType, lastRequestID: calls.lastRequestID,
            alerts: alertChanges(failover, decision, reading: reading, errorType: errorType),
            journal: calls.entries(of: failover))
    }

    func report(_ failover: Failover, _ step: FailoverStep) {
        engine.observe(step.state, step.reason)
        var metadata: Logger.Metadata = [
            "access_code_id": "\(failover.accessCodeID)", "state": "\(step.state.rawValue)", "reason": "\(step.reason)",
        ]
        if let deviceID = step.reading?.deviceID ?? failover.deviceID { metadata["device_id"] = "\(deviceID)" }
        if let next = step.nextAttemptAt { metadata["next_attempt_at"] = "\(next)" }
        if let errorType = step.lastErrorType { metadata["error_type"] = "\(errorType)" }
        if let requestID = step.lastRequestID { metadata["request_id"] = "\(requestID)" }
        if !step.alerts.opened.isEmpty, failover.reason != step.reason {
            engine.log.error("A guest code failed and needs a person's attention", metadata: metadata)
        } else if step.state.isClosed || failover.reason != step.reason {
            engine.log.notice("A failover was decided", metadata: metadata)
        } else {
            engine.log.debug("A failover waits on", metadata: metadata)
        }
    }
}

private struct DrawOrder: Comparable {
    var startsAt: Timestamp
    var openedAt: Timestamp
    var id: String

    static func < (left: DrawOrder, right: DrawOrder) -> Bool {
        (left.startsAt, left.openedAt, left.id) < (right.startsAt, right.openedAt, right.id)
    }
}

extension Failover {
    var waitReason: WaitReason? { reason.flatMap(WaitReason.init(rawValue:)) }

    /// Whether what it waits for may have passed by the time a later stay is about to draw.
    ///
    /// - Parameter wasLookedAt: in this pass.
    func mayStillDraw(wasLookedAt: Bool) -> Bool {
        switch waitReason {
        // The pool may have been filled between that look and the later stay's.
        case .poolEmpty: true
        // It was watched to see whether a sooner stay fails; it is the sooner one.
        case .drawDelay: true
        case .refused, .rateLimited, .seamUnavailable, .unauthorized, nil: !wasLookedAt
        // Its time has not come.
        case .leadTime, .reserved: false
        // It has drawn.
        case .codePending: false
        }
    }
}

extension Decision {
    /// The words of the log for a decision that ends a look without a pull.
    func outcome(of failover: Failover) -> (state: FailoverState, reason: String) {
        switch self {
        case .notNeeded(let reason): (.notNeeded, reason.rawValue)
        case .ineligible(let reason): (.ineligible, reason.rawValue)
        case .expired: (.expired, failover.reason ?? WaitReason.seamUnavailable.rawValue)
        case .wait(let reason, _): (.waiting, reason.rawValue)
        case .pull, .adopt: (.pending, "")
        }
    }
}
