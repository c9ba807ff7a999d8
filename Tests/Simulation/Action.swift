internal import JSON
internal import Sandbox
internal import Time

/// Something that happens in the world without Sparekey. Locks and guests are named by their place in the world's lists.
enum Action: Sendable {
    case book(device: Int, startsIn: Duration, lasts: Duration, failsAfter: Duration?)
    case fail(guest: Int)
    /// The guest who booked then for then, whatever place they have.
    case recoverBooking(at: Timestamp, startsAt: Timestamp)
    case slowRefill(device: Int, delay: Duration)
    case recover(guest: Int)
    case cancel(guest: Int)
    case move(guest: Int, startsBy: Duration, endsBy: Duration)
    /// Seam's own automation, another program or a person pulls.
    case pullElsewhere(guest: Int)
    case breakRemoval(guest: Int)
    /// Somebody removes the backup that a guest was given.
    case removeBackup(guest: Int)
    case changeBackupPIN(guest: Int)
    case disconnect(device: Int)
    case connect(device: Int)
    case emptyPool(device: Int, refills: Bool)
    case refillPool(device: Int)
    case apiFault(SandboxFault)
    case clearFaults
    case webhookFault(SandboxWebhookFault)
    case clearWebhookFaults
    case pauseWebhooks(Bool)
    case repeatEvent(place: Int, underNewID: Bool)
    case stepClock(to: Duration)
    case crash
    case failDeliveries(Double)
}

extension World {
    func perform(_ action: Action) {
        switch action {
        case .book(let device, let startsIn, let lasts, let failsAfter):
            var code = SandboxCodeSpecification(
                deviceID: devices[device], name: "Guest \(guests.count)", startsAt: now + startsIn,
                endsAt: now + startsIn + lasts)
            code.isBroken = failsAfter != nil
            let id = model.createCode(code)
            guests.append(id)
            if let failsAfter { model.failCode(id, after: failsAfter) }
        case .fail(let guest): with(guest) { model.failCode($0) }
        case .recoverBooking(let bookedAt, let startsAt):
            for code in model.codes where code.createdAt == bookedAt && code.startsAt == startsAt {
                model.recoverCode(code.id)
            }
        case .slowRefill(let device, let delay): model.setPool(of: devices[device], refillDelay: delay)
        case .recover(let guest): with(guest) { model.recoverCode($0) }
        case .cancel(let guest): with(guest) { model.deleteCode($0) }
        case .move(let guest, let startsBy, let endsBy):
            with(guest) { id in
                guard let code = model.code(id), let startsAt = code.startsAt, let endsAt = code.endsAt,
                    endsAt + endsBy > now + .minutes(1), endsAt + endsBy > startsAt + startsBy
                else { return }
                model.updateCode(id, startsAt: startsAt + startsBy, endsAt: endsAt + endsBy)
            }
        case .pullElsewhere(let guest):
            with(guest) { id in
                guard model.code(id)?.errors.isEmpty == false else { return }
                let before = model.counters.backupsPulled
                ask("/access_codes/pull_backup_access_code", ["access_code_id": .string(id)])
                if model.counters.backupsPulled > before, let backupID = model.code(id)?.pulledBackupID {
                    witness.pulledElsewhere.insert(backupID)
                }
            }
        case .breakRemoval(let guest):
            with(guest) { id in
                if let backupID = model.code(id)?.pulledBackupID { model.breakRemoval(of: backupID) }
            }
        case .removeBackup(let guest):
            with(guest) { id in
                if let backupID = model.code(id)?.pulledBackupID { model.deleteCode(backupID) }
            }
        case .changeBackupPIN(let guest):
            with(guest) { id in
                guard let backupID = model.code(id)?.pulledBackupID else { return }
                ask(
                    "/access_codes/update",
                    ["access_code_id": .string(backupID), "code": .string(String(100_000 + draw.number(0...800_000)))])
            }
        case .disconnect(let device): model.disconnectDevice(devices[device])
        case .connect(let device): model.connectDevice(devices[device])
        case .emptyPool(let device, let refills): model.emptyPool(of: devices[device], refills: refills)
        case .refillPool(let device): model.refillPool(of: devices[device])
        case .apiFault(let fault):
            if fault.count == nil { activeFaults.append(fault) }
            model.addFault(fault)
        case .clearFaults:
            activeFaults = []
            model.clearFaults()
        case .webhookFault(let fault): model.addWebhookFault(fault)
        case .clearWebhookFaults: model.clearWebhookFaults()
        case .pauseWebhooks(let isPaused): model.isWebhookSenderPaused = isPaused
        case .repeatEvent(let place, let underNewID):
            let events = model.events
            if !events.isEmpty { model.repeatEvent(events[place % events.count].id, underNewID: underNewID) }
        case .stepClock(let skew): step(clockTo: skew)
        case .crash: if sparekey != nil { die() }
        case .failDeliveries(let probability): weather.deliveryFailure = probability
        }
    }

    private func with(_ guest: Int, _ body: (String) -> Void) {
        if guests.indices.contains(guest) { body(guests[guest]) }
    }
}
