internal import JSON
internal import Time

/// The queue of webhook messages: Svix's schedule, bounded concurrency and the faults, without a socket or a clock.
struct SandboxDeliveries: Sendable {
    /// The wait before each attempt, after the previous failure (Svix, "Retries"): about 27.6 hours in total.
    static let schedule: [Duration] = [
        .zero, .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(18_000), .seconds(36_000),
        .seconds(36_000),
    ]
    static let maximumRecords = 10_000

    private struct Message: Sendable {
        var key: Int
        var record: SandboxMessageRecord
        var body: [UInt8]
        var nextAttemptAt: Timestamp
        var attempts = 0
        var isUnderWay = false
        var isHeld = false
        /// The webhook is gone: whatever comes of the attempt under way, no other follows.
        var isAbandoned = false
        var staleBy: Duration?
        var hasBadSignature = false
    }

    var isPaused = false
    private(set) var faults: [SandboxWebhookFault] = []
    private var messages: [Message] = []
    private var finished: [SandboxMessageRecord] = []
    private var held: [Int] = []
    private var lastKey = 0

    var records: [SandboxMessageRecord] { finished + messages.map(\.record) }

    var underWay: Int { messages.count { $0.isUnderWay } }

    /// When the next attempt is due; nil when nothing waits or the sender is paused.
    var nextDue: Timestamp? {
        isPaused ? nil : messages.lazy.filter { !$0.isUnderWay && !$0.isHeld }.map(\.nextAttemptAt).min()
    }

    mutating func add(_ fault: SandboxWebhookFault) {
        var fault = fault
        if case .reorder(let count) = fault.kind { fault.count = max(2, count) }
        faults.append(fault)
    }

    /// Ends the faults; what is held back goes out.
    mutating func clearFaults() {
        faults = []
        release()
    }

    mutating func enqueue(_ event: SandboxEvent, to webhooks: [SandboxWebhook], at now: Timestamp, random: RandomSource)
    {
        for webhook in webhooks where !webhook.isDisabled && webhook.takes(event.type) {
            enqueue(event, to: webhook.id, at: now, random: random)
        }
    }

    /// - Parameter messageID: that of an earlier message, to send it again.
    mutating func enqueue(
        _ event: SandboxEvent, to webhookID: String, at now: Timestamp, random: RandomSource, messageID: String? = nil
    ) {
        let record = SandboxMessageRecord(
            messageID: messageID ?? random.identifier(prefix: "msg_"), webhookID: webhookID, eventID: event.id,
            eventType: event.type, state: .pending, outcomes: [])
        var message = Message(key: 0, record: record, body: event.json.bytes, nextAttemptAt: now)
        let fault = messageID == nil ? takeFault(for: event.type) : nil
        switch fault?.kind {
        case nil: add(message)
        case .duplicateMessage:
            add(message)
            add(message)
        case .duplicateEvent:
            add(message)
            message.record.messageID = random.identifier(prefix: "msg_")
            add(message)
        case .drop:
            message.record.state = .dropped
            finish(message.record)
        case .reorder(let count):
            message.isHeld = true
            held.append(add(message))
            if held.count >= max(2, count) { release() }
        case .staleTimestamp(let age):
            message.staleBy = age
            add(message)
        case .badSignature:
            message.hasBadSignature = true
            add(message)
        case .delay(let delay):
            message.nextAttemptAt = now + delay
            add(message)
        }
    }

    /// Takes the attempts that are due, the longest due first, as many as may be under way.
    ///
    /// - Parameter wallTime: the real time, which the signature carries even where this Seam's time has been moved.
    mutating func takeDue(
        at now: Timestamp, wallTime: Timestamp, webhooks: [SandboxWebhook], limit: Int
    ) -> [SandboxDelivery] {
        guard !isPaused else { return [] }
        let free = limit - underWay
        guard free > 0 else { return [] }
        let due = messages.indices.filter {
            !messages[$0].isUnderWay && !messages[$0].isHeld && messages[$0].nextAttemptAt <= now
        }.sorted { (messages[$0].nextAttemptAt, messages[$0].key) < (messages[$1].nextAttemptAt, messages[$1].key) }
        var deliveries: [SandboxDelivery] = []
        for index in due.prefix(free) {
            guard let webhook = webhooks.first(where: { $0.id == messages[index].record.webhookID }) else { continue }
            messages[index].isUnderWay = true
            messages[index].attempts += 1
            let message = messages[index]
            let isFirst = message.attempts == 1
            let time = isFirst ? wallTime - (message.staleBy ?? .zero) : wallTime
            deliveries.append(
                SandboxDelivery(
                    messageID: message.record.messageID, webhookID: webhook.id, eventID: message.record.eventID,
                    eventType: message.record.eventType, url: webhook.url, attempt: message.attempts,
                    timestamp: time.secondsSinceEpoch, body: message.body, key: message.key, secrets: webhook.secrets,
                    hasBadSignature: isFirst && message.hasBadSignature))
        }
        return deliveries
    }

    /// Ends an attempt. A failure is tried again by the schedule, `waits` multiplied by `timeFactor` with 20 % of jitter.
    mutating func settle(
        _ delivery: SandboxDelivery, _ outcome: SandboxDeliveryOutcome, at now: Timestamp, timeFactor: Double,
        random: RandomSource
    ) {
        guard let index = messages.firstIndex(where: { $0.key == delivery.key }), messages[index].isUnderWay else {
            return
        }
        messages[index].isUnderWay = false
        messages[index].record.outcomes.append(outcome)
        let attempts = messages[index].attempts
        var isOver = outcome.isSuccess || attempts >= Self.schedule.count || messages[index].isAbandoned
        if case .response(_, directive: .some) = outcome { isOver = true }
        if isOver {
            messages[index].record.state = outcome.isSuccess ? .delivered : .failed
            finish(messages[index].record)
            messages.remove(at: index)
        } else {
            let jitter = random.with { Double.random(in: 0.8...1.2, using: &$0) }
            let wait = Self.schedule[attempts].inSeconds * max(0, timeFactor) * jitter
            messages[index].nextAttemptAt = now + .milliseconds(Int64(min(wait * 1000, 1e12)))
        }
    }

    /// Ends what waits for a webhook that is disabled or deleted, as failed. An attempt under way is the last of its message.
    mutating func abandon(webhookID: String) {
        for index in messages.indices where messages[index].record.webhookID == webhookID {
            messages[index].isAbandoned = true
        }
        for message in messages where message.isAbandoned && !message.isUnderWay {
            var record = message.record
            record.state = .failed
            finish(record)
            held.removeAll { $0 == message.key }
        }
        messages.removeAll { $0.isAbandoned && !$0.isUnderWay }
    }

    @discardableResult
    private mutating func add(_ message: Message) -> Int {
        lastKey += 1
        var message = message
        message.key = lastKey
        messages.append(message)
        return lastKey
    }

    private mutating func release() {
        // The last comes first: it takes the smallest key of those held.
        let keys = held.sorted()
        let positions = keys.compactMap { key in messages.firstIndex { $0.key == key } }
        let reversed = positions.reversed().map { messages[$0] }
        for (position, var message) in zip(positions, reversed) {
            message.key = messages[position].key
            message.nextAttemptAt = messages[position].nextAttemptAt
            message.isHeld = false
            messages[position] = message
        }
        held = []
    }

    private mutating func takeFault(for eventType: String) -> SandboxWebhookFault? {
        guard let index = faults.firstIndex(where: { $0.eventType == nil || $0.eventType == eventType }) else {
            return nil
        }
        let fault = faults[index]
        if let count = fault.count {
            if count <= 1 { faults.remove(at: index) } else { faults[index].count = count - 1 }
        }
        return fault
    }

    private mutating func finish(_ record: SandboxMessageRecord) {
        if finished.count >= Self.maximumRecords { finished.removeFirst(Self.maximumRecords / 10) }
        finished.append(record)
    }
}
