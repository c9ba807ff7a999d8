internal import Delivery
internal import FoundationEssentials
internal import HTTPClient
internal import JSON
internal import Ledger
internal import Sandbox
internal import Signatures
internal import Synchronization
internal import Time

/// A simulated world: Seam's model, Sparekey with its ledger on disk, the guest's side, and time, all from one seed.
///
/// Safe because one task steps it at a time: what the ledger's queue calls back happens while that task waits for it.
final class World: @unchecked Sendable {
    static let start = Timestamp(secondsSinceEpoch: 1_795_190_400)
    private static let stepLimit = 400_000

    let clock = ManualWallClock(World.start)
    let house: WorldClock
    let model: SandboxModel
    let api: SandboxAPI
    let settings: WorldSettings
    var weather: Weather
    var draw: Draw
    let sparekeyRandom: RandomSource
    let webhook: SandboxWebhook
    let witness: Witness
    /// What happens to this world, the soonest last.
    var agenda: [(at: Timestamp, action: Action)] = []
    /// The guests' codes in the order in which they were booked.
    var guests: [String] = []
    var devices: [String] = []
    /// Who looks after the guests instead of Sparekey.
    var caretaker: (any Caretaker)?
    var watch: ArrivalWatch?
    /// The faults of the API that last until they are cleared.
    var activeFaults: [SandboxFault] = []

    private let transport: SandboxTransport
    private let folder: String
    private var life = 0
    private(set) var sparekey: Sparekey?
    private var restartAt: Timestamp?
    private(set) var isDead = false
    private(set) var crashes = 0
    /// The next point at which the process dies, counted down; nil: never by chance.
    private var pointsToLive: Int?
    private var depth = 0

    init(seed: UInt64, settings: WorldSettings, weather: Weather, options: SandboxOptions = SandboxOptions()) {
        house = WorldClock(clock)
        model = SandboxModel(
            options: options, clock: clock, random: RandomSource(SeededGenerator(seed: seed &* 3 &+ 1)))
        api = SandboxAPI(model: model)
        transport = SandboxTransport(model: model, clock: house)
        self.settings = settings
        self.weather = weather
        draw = Draw(seed: seed &* 3 &+ 2)
        sparekeyRandom = RandomSource(SeededGenerator(seed: seed &* 3))
        webhook = model.createWebhook(url: "https://sparekey.test/webhooks/seam")
        witness = Witness()
        let root = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
        folder = root + "/sparekey-simulation-" + RandomSource().identifier(prefix: "")
    }

    var now: Timestamp { clock.now() }
    /// The database of this life, or of the last.
    var databasePath: String { folder + "/\(life).db" }

    // MARK: Life and death

    func start() throws {
        if life == 0 { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
        isDead = false
        restartAt = nil
        let ledger = try Ledger(path: databasePath, random: sparekeyRandom) { [unowned self] moment in
            sparekey?.ledgerHasChanged = true
            if dies() { throw LedgerError(.cancelled, reason: "the process ended", hint: "") }
            _ = moment
        }
        sparekey = try Sparekey(
            ledger: ledger, transport: WorldTransport(world: self), way: WorldWay(world: self),
            secret: webhook.secrets[0], clock: house, random: sparekeyRandom, settings: settings)
        try witness.open(databasePath)
        if weather.crash > 0 { pointsToLive = draw.number(1...Int(2 / weather.crash)) }
    }

    /// Whether the process ends here. Once it has, it does nothing any more.
    func dies() -> Bool {
        if isDead { return true }
        guard let left = pointsToLive else { return false }
        pointsToLive = left - 1
        guard left <= 1 else { return false }
        die()
        return true
    }

    /// From now on no process dies by chance, and one that is down starts now.
    func survive() throws {
        pointsToLive = nil
        if isDead && sparekey != nil { try bury(for: .zero) }
        if restartAt != nil { restartAt = now }
    }

    func die() {
        pointsToLive = nil
        isDead = true
        crashes += 1
    }

    /// Takes what a killed process leaves: the database and its log as they are. Memory and locks are gone.
    func bury(for downtime: Duration) throws {
        let old = databasePath
        life += 1
        let manager = FileManager.default
        for suffix in ["", "-wal"] where manager.fileExists(atPath: old + suffix) {
            try manager.copyItem(atPath: old + suffix, toPath: databasePath + suffix)
        }
        witness.close()
        sparekey?.ledger.close()
        sparekey = nil
        for suffix in ["", "-wal", "-shm", ".lock"] { try? manager.removeItem(atPath: old + suffix) }
        restartAt = now + downtime
    }

    /// Ends the world and leaves nothing behind.
    func close() {
        witness.close()
        sparekey?.ledger.close()
        sparekey = nil
        try? FileManager.default.removeItem(atPath: folder)
    }

    // MARK: Time

    /// Steps everything that is due until `end`.
    func run(until end: Timestamp) async throws {
        var steps = 0
        while now < end {
            steps += 1
            if steps > Self.stepLimit {
                return witness.violate("0 it never becomes quiet: \(try await sparekey?.dueTimes() ?? [])")
            }
            await act()
            if isDead && sparekey != nil { try bury(for: downtime()) }
            if let restartAt, restartAt <= now { try start() }
            await carryWebhooks()
            let due = try await dueWorkers()
            guard due.isEmpty else {
                for worker in draw.shuffled(due) where !isDead { await sparekey?.step(worker) }
                continue
            }
            guard !isDead || sparekey == nil else { continue }
            var next =
                [end, model.nextDue, agenda.last?.at, restartAt, watch?.nextArrival].compactMap {
                    $0
                }.min() ?? end
            if let times = try await sparekey?.dueTimes() {
                for time in times { next = min(next, time.at - house.skew) }
            }
            clock.set(max(now + .milliseconds(1), next))
            model.advance()
        }
    }

    private func dueWorkers() async throws -> [Sparekey.Worker] {
        guard let sparekey, !isDead else { return [] }
        return try await sparekey.dueTimes().filter { $0.at <= house.now() }.map(\.worker)
    }

    private func downtime() -> Duration {
        draw.chance(0.9) ? draw.duration(.milliseconds(50), .seconds(20)) : draw.duration(.minutes(1), .hours(2))
    }

    /// What the world has in store for now.
    private func act() async {
        while let next = agenda.last, next.at <= now {
            agenda.removeLast()
            perform(next.action)
        }
        model.advance()
        caretaker?.look(at: self)
        watch?.look(at: self)
    }

    func schedule(_ action: Action, at instant: Timestamp) {
        let place = agenda.firstIndex { $0.at <= instant } ?? agenda.count
        agenda.insert((instant, action), at: place)
    }

    /// While a call is under way the world goes on, and so do Sparekey's other workers.
    private func goOn(certainly: Bool = false) async {
        clock.advance(by: .milliseconds(Int64(draw.number(weather.latency) / 2)))
        guard !isDead, certainly || draw.chance(weather.interleaving), depth == 0, let sparekey else { return }
        depth += 1
        defer { depth -= 1 }
        await act()
        await carryWebhooks()
        let follows = sparekey.underWay.contains(.following)
        let due = ((try? await dueWorkers()) ?? []).filter { !follows || $0 != .delivery }
        for worker in draw.shuffled(due).prefix(2) where !isDead { await sparekey.step(worker) }
    }

    // MARK: What Sparekey does outside

    func call(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        if dies() { throw .cancelled }
        await goOn()
        if isDead { throw .cancelled }
        witness.sees(request, at: now, in: self)
        let flickering = flickeringCode(readBy: request)
        if let flickering { model.recoverCode(flickering) }
        model.advance()
        let result: Result<ClientResponse, ClientError>
        do {
            result = .success(try await transport.send(request))
        } catch {
            result = .failure(error)
        }
        witness.sees(result, of: request, in: self)
        if let flickering { model.failCode(flickering) }
        await goOn(certainly: flickering != nil)
        if dies() { throw .cancelled }
        return try result.get()
    }

    private func flickeringCode(readBy request: ClientRequest) -> String? {
        guard weather.flicker > 0, request.url.hasSuffix("/access_codes/get"),
            let id = Witness.accessCodeID(of: request), guests.contains(id),
            model.code(id)?.errors.isEmpty == false, draw.chance(weather.flicker)
        else { return nil }
        return id
    }

    func tell(_ message: DeliveryMessage) async -> SendOutcome {
        if dies() { return .retry("ended", retryAfter: nil) }
        await goOn()
        if isDead { return .retry("ended", retryAfter: nil) }
        var outcome = SendOutcome.delivered
        var isReceived = true
        if draw.chance(weather.deliveryFailure) {
            outcome = .retry("http_503", retryAfter: nil)
            isReceived = draw.chance(0.3)
        }
        if isReceived { witness.receives(message, at: now, in: self) }
        return dies() ? .retry("ended", retryAfter: nil) : outcome
    }

    /// Delivers what Seam's sender has due, through the real signature check and the real inbox.
    private func carryWebhooks() async {
        let deliveries = model.takeDueDeliveries()
        for delivery in deliveries {
            model.settle(delivery, receive(delivery))
        }
    }

    private func receive(_ delivery: SandboxDelivery) -> SandboxDeliveryOutcome {
        if let caretaker { return .response(status: caretaker.receive(delivery, in: self), directive: nil) }
        guard let sparekey, !isDead else { return .failure("connection refused") }
        guard let fields = try? delivery.headers() else { return .failure("no headers") }
        var headers = SignatureHeaders()
        for (name, value) in fields { headers.add(name: Array(name.utf8)[...], value: Array(value.utf8)[...]) }
        let message: VerifiedMessage
        do {
            message = try sparekey.verifier.verify(
                headers: headers, body: delivery.body.span, now: house.now().secondsSinceEpoch)
        } catch {
            return .response(status: 401, directive: nil)
        }
        let outcome = sparekey.ledger.append([
            InboxMessage(svixID: message.idText, source: .webhook, receivedAt: house.now(), body: delivery.body)
        ])
        guard !isDead else { return .failure("connection reset") }
        sparekey.hasMail = true
        return .response(status: outcome.first?.isCommitted == true ? 204 : 503, directive: nil)
    }

    func step(clockTo skew: Duration) {
        let step = skew - house.skew
        house.skew = skew
        sparekey?.clockStepped(by: step)
    }

    /// A request of somebody else with a key of the same workspace.
    @discardableResult
    func ask(_ path: String, _ body: JSONValue) -> Int {
        let headers = [
            (name: "authorization", value: "Bearer seam_test2"), (name: "content-type", value: "application/json"),
        ]
        return api.handle(SandboxRequest(method: "POST", path: path, headers: headers, body: body.bytes)).status
    }
}
