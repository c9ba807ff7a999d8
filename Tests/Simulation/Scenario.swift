internal import Policy
internal import Sandbox
internal import Time

/// What a seed draws: settings, locks, bookings, and everything that goes wrong.
struct Scenario {
    private var draw: Draw
    let length: Duration

    init(seed: UInt64) {
        draw = Draw(seed: seed &* 7 &+ 5)
        length = draw.chance(0.7) ? draw.duration(.minutes(30), .hours(2)) : draw.duration(.hours(2), .hours(6))
    }

    mutating func settings() -> WorldSettings {
        var settings = WorldSettings()
        if draw.chance(0.3) { settings.leadTime = draw.one(of: [.hours(2), .hours(36)]) }
        if draw.chance(0.3) { settings.reserve = 1 }
        if draw.chance(0.25) { settings.onCancel = .keep }
        if draw.chance(0.3) { settings.onRecovery = .tellBoth }
        if draw.chance(0.5) { settings.sweepInterval = .minutes(15) }
        if draw.chance(0.3) { settings.stateInterval = .minutes(30) }
        if draw.chance(0.3) { settings.drawDelay = draw.one(of: [.minutes(2), .minutes(10)]) }
        return settings
    }

    mutating func weather() -> Weather {
        Weather(
            crash: draw.one(of: [0, 0.002, 0.01, 0.03]), interleaving: draw.one(of: [0, 0.2, 0.6]),
            latency: draw.one(of: [5...50, 20...400, 100...6000]),
            deliveryFailure: draw.one(of: [0, 0.1, 0.5]))
    }

    mutating func options() -> SandboxOptions {
        var options = SandboxOptions()
        options.poolSize = draw.number(1...4)
        options.refillDelay = draw.one(of: [.seconds(30), .minutes(10), .hours(2)])
        options.emptyPoolStatus = draw.one(of: [400, 409, 422])
        options.eventsNewestFirst = draw.chance(0.5)
        return options
    }

    /// Makes the locks, and puts what will happen on the world's agenda.
    mutating func people(_ world: World) {
        let deviceCount = draw.number(1...4)
        for place in 0..<deviceCount {
            var device = SandboxDeviceSpecification(name: "Door \(place)")
            device.supportsBackupPool = place == 0 || !draw.chance(0.1)
            device.schedulesNatively = draw.chance(0.8)
            world.devices.append(world.model.createDevice(device))
        }
        let guestCount = draw.number(3...14)
        for _ in 0..<guestCount {
            // Some before Sparekey is there.
            let at = World.start + (draw.chance(0.4) ? .zero : draw.duration(.zero, length))
            world.schedule(
                .book(
                    device: draw.number(0...(deviceCount - 1)),
                    startsIn: draw.one(of: [
                        draw.duration(.hours(-3), .zero), draw.duration(.zero, .hours(5)),
                        draw.duration(.hours(5), .hours(60)), draw.duration(.hours(60), .hours(200)),
                    ]), lasts: draw.duration(.hours(4), .hours(100)),
                    failsAfter: draw.chance(0.7) ? draw.duration(.zero, length) : nil), at: at)
        }
        // A storm now and then: several fail on one lock in the same minute.
        if draw.chance(0.3) {
            let at = World.start + draw.duration(.minutes(5), length - .minutes(10))
            let device = draw.number(0...(deviceCount - 1))
            for _ in 0..<draw.number(3...8) {
                world.schedule(
                    .book(
                        device: device, startsIn: draw.duration(.minutes(30), .hours(40)), lasts: .hours(60),
                        failsAfter: draw.duration(.zero, .minutes(1))), at: at)
            }
        }
        for _ in 0..<draw.number(0...30) {
            let at = World.start + draw.duration(.zero, length)
            happen(at, deviceCount: deviceCount, guestCount: guestCount, world)
        }
        world.weather.flicker = draw.one(of: [0, 0, 0.1])
    }

    private mutating func happen(_ at: Timestamp, deviceCount: Int, guestCount: Int, _ world: World) {
        let device = draw.number(0...(deviceCount - 1))
        let guest = draw.number(0...(guestCount - 1))
        switch draw.number(0...20) {
        case 0: world.schedule(.fail(guest: guest), at: at)
        case 1, 2: world.schedule(.recover(guest: guest), at: at)
        case 3, 4: world.schedule(.cancel(guest: guest), at: at)
        case 5, 6:
            world.schedule(
                .move(
                    guest: guest, startsBy: draw.chance(0.5) ? .zero : draw.duration(.hours(-6), .hours(30)),
                    endsBy: draw.duration(.hours(-6), .hours(30))), at: at)
        case 7: world.schedule(.pullElsewhere(guest: guest), at: at)
        case 8: world.schedule(draw.chance(0.5) ? .breakRemoval(guest: guest) : .removeBackup(guest: guest), at: at)
        case 9: world.schedule(.changeBackupPIN(guest: guest), at: at)
        case 10, 11:
            world.schedule(.disconnect(device: device), at: at)
            world.schedule(.connect(device: device), at: at + draw.duration(.minutes(1), .hours(4)))
        case 12:
            world.schedule(.emptyPool(device: device, refills: draw.chance(0.5)), at: at)
            if draw.chance(0.6) {
                world.schedule(.refillPool(device: device), at: at + draw.duration(.minutes(1), .hours(2)))
            }
        case 13, 14, 15: world.schedule(.apiFault(apiFault()), at: at)
        case 16, 17: world.schedule(.webhookFault(webhookFault()), at: at)
        case 18: world.schedule(.repeatEvent(place: draw.number(0...999), underNewID: draw.chance(0.5)), at: at)
        case 19:
            let choice = draw.number(0...3)
            if choice == 0 {
                world.schedule(.crash, at: at)
            } else if choice == 1 {
                world.schedule(.pauseWebhooks(true), at: at)
                world.schedule(.pauseWebhooks(false), at: at + draw.duration(.minutes(1), .hours(3)))
            } else {
                world.schedule(.failDeliveries(1), at: at)
                world.schedule(.failDeliveries(0.1), at: at + draw.duration(.minutes(1), .hours(1)))
            }
        default:
            world.schedule(.stepClock(to: draw.duration(.minutes(-20), .minutes(20))), at: at)
            if draw.chance(0.7) {
                world.schedule(.stepClock(to: .zero), at: at + draw.duration(.minutes(1), .hours(2)))
            }
        }
    }

    private mutating func apiFault() -> SandboxFault {
        let route: String? = draw.one(of: [
            nil, "/access_codes/get", "/access_codes/pull_backup_access_code", "/access_codes/pull_backup_access_code",
            "/access_codes/list", "/access_codes/update", "/access_codes/delete", "/events/list", "/devices/list",
            "/devices/get",
        ])
        let pull = "/access_codes/pull_backup_access_code"
        switch draw.number(0...17) {
        case 0, 1:
            return SandboxFault(
                .error(status: 429, type: "too_many_requests", retryAfter: draw.one(of: [nil, "3", "120"])),
                route: route, count: draw.number(1...8))
        case 2:
            return SandboxFault(
                .error(status: 401, type: "unauthorized", retryAfter: nil), route: route, count: draw.number(1...6))
        case 3, 4:
            return SandboxFault(
                .error(status: 500, type: "internal_server_error", retryAfter: nil), route: route,
                count: draw.number(1...12))
        case 5:
            return SandboxFault(
                .error(status: 409, type: "conflict", retryAfter: nil), route: pull, count: draw.number(1...3))
        case 6:
            return SandboxFault(
                .empty(status: 503, retryAfter: draw.one(of: [nil, "60"])), route: route, count: draw.number(1...20))
        case 7:
            return SandboxFault(.html(status: draw.one(of: [200, 404, 502])), route: route, count: draw.number(1...5))
        case 8: return SandboxFault(.timeout, route: route, count: draw.number(1...5))
        case 9: return SandboxFault(.reset, route: route, count: draw.number(1...5))
        case 10, 11:
            return SandboxFault(.resetAfterCommit, route: draw.chance(0.7) ? pull : route, count: draw.number(1...3))
        case 12:
            return SandboxFault(
                .drip(interval: .milliseconds(draw.one(of: [1, 50]))), route: route, count: draw.number(1...3))
        case 13:
            return SandboxFault(
                .delay(draw.duration(.seconds(1), .seconds(20))), route: route, count: draw.number(1...5))
        case 14: return SandboxFault(.nullCode(reads: draw.number(1...5)), route: pull, count: draw.number(1...2))
        case 15:
            return SandboxFault(
                draw.chance(0.5) ? .extraFields : .unknownEnums, route: route, count: draw.number(1...10))
        case 16:
            return SandboxFault(
                .omit(draw.one(of: ["status", "access_code", "backup_access_code"])), route: pull,
                count: draw.number(1...3))
        default: return SandboxFault(.microseconds, route: route, count: draw.number(1...10))
        }
    }

    private mutating func webhookFault() -> SandboxWebhookFault {
        let kind: SandboxWebhookFault.Kind =
            switch draw.number(0...9) {
            case 0: .duplicateMessage
            case 1: .duplicateEvent
            case 2, 3, 4: .drop
            case 5, 6: .reorder(draw.number(2...5))
            case 7: .staleTimestamp(by: draw.duration(.minutes(1), .hours(2)))
            case 8: .badSignature
            default: .delay(draw.duration(.seconds(10), .hours(3)))
            }
        return SandboxWebhookFault(kind, count: draw.number(1...12))
    }
}
