internal import JSON
internal import Time

/// Everything the simulated Seam knows. A value: every change is a method that is told the time, and nothing here waits or sends.
struct SandboxState: Sendable {
    var options: SandboxOptions
    let random: RandomSource
    let workspaceID: String
    let accountID: String
    /// How far `/sandbox/clock/advance` has moved this Seam's time ahead of the clock.
    var clockOffset: Duration = .zero

    var devices: [String: SandboxDevice] = [:]
    var codes = SandboxCodes()
    var events: [SandboxEvent] = []
    var webhooks: [SandboxWebhook] = []
    var deliveries = SandboxDeliveries()
    var agenda = SandboxAgenda()
    var faults: [SandboxFault] = []
    var counters = SandboxCounters()
    private var lastOrder = 0
    private var lastAdvance = Timestamp(millisecondsSinceEpoch: .min)

    init(options: SandboxOptions, random: RandomSource) {
        self.options = options
        self.random = random
        workspaceID = random.uuid()
        accountID = random.uuid()
    }

    mutating func nextOrder() -> Int {
        lastOrder += 1
        return lastOrder
    }

    func codes(on deviceID: String) -> [SandboxCode] {
        codes.on(deviceID).sorted { $0.order < $1.order }
    }

    func json(of code: SandboxCode) -> JSONValue? {
        devices[code.deviceID].map { code.json(workspaceID: workspaceID, device: $0) }
    }

    /// The PIN of the codes with that `common_code_key`; nil where there is none yet.
    func pin(ofKey key: String) -> String? { codes.all.first { $0.commonCodeKey == key }?.pin }

    /// A PIN that no code on the device has.
    func freePIN(on deviceID: String, length: Int = 4) -> String {
        let taken = Set(codes.on(deviceID).map(\.pin))
        var length = max(4, min(length, 12))
        while true {
            for _ in 0..<200 {
                let pin = random.with { generator in
                    String((0..<length).map { _ in "0123456789"[digit: Int.random(in: 0...9, using: &generator)] })
                }
                if !taken.contains(pin) { return pin }
            }
            // So many codes on one lock that four digits no longer suffice.
            length += 1
        }
    }

    /// When something happens by itself next. As long as no more deliveries may be under way, the end of one comes first.
    var nextDue: Timestamp? {
        let delivery = deliveries.underWay < options.maximumConcurrentDeliveries ? deliveries.nextDue : nil
        return [agenda.nextDue, delivery].compactMap { $0 }.min()
    }

    /// Does everything that is due by `now`, each step at its own time; what was due before the last look happens after it,
    /// so that no event is older than one that has been seen.
    mutating func advance(to now: Timestamp) {
        while let (step, instant) = agenda.next(dueBy: now) { run(step, at: max(instant, lastAdvance)) }
        lastAdvance = max(lastAdvance, now)
    }

    private mutating func run(_ step: SandboxAgenda.Step, at instant: Timestamp) {
        switch step {
        case .beginSetting(let id): beginSetting(id, at: instant)
        case .finishSetting(let id): finishSetting(id, at: instant)
        case .start(let id): start(id, at: instant)
        case .warnOfDelay(let id): warnOfDelay(id, at: instant)
        case .giveUp(let id): giveUp(id, at: instant)
        case .fail(let id, let failure): fail(id, failure, at: instant)
        case .recover(let id): recover(id, at: instant)
        case .confirmUpdate(let id): confirmUpdate(id, at: instant)
        case .expire(let id): expire(id, at: instant)
        case .remove(let id): remove(id, at: instant)
        case .failRemoval(let id): failRemoval(id, at: instant)
        case .refill(let id): refill(id, at: instant)
        case .connect(let id): connect(id, at: instant)
        case .disconnect(let id): disconnect(id, at: instant)
        }
    }
}

extension String {
    /// The ASCII digit at a position that the caller knows to be there.
    fileprivate subscript(digit position: Int) -> Character {
        self[index(startIndex, offsetBy: position)]
    }
}
