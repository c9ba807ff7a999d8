internal import Sandbox
internal import Time

/// A standard workload: what happens to the guests of some locks, the same for every column of the table.
package enum Workload: String, CaseIterable, Sendable {
    case calmWeek = "a calm week"
    case hubOffline = "a hub offline over many arrivals"
    case scarcePool = "a storm over a scarce pool"
    case noWebhooks = "30 h without webhooks"
    case flappingLock = "a lock that flaps"
    case rateLimited = "Seam rate-limiting for an hour"

    var options: SandboxOptions {
        var options = SandboxOptions()
        // A lock without a schedule of its own gets its codes an hour ahead: there is little time to help.
        options.poolSize = self == .scarcePool ? 2 : 4
        options.refillDelay = .minutes(10)
        return options
    }

    var length: Duration {
        switch self {
        case .calmWeek: .hours(7 * 24)
        case .hubOffline, .noWebhooks, .flappingLock: .hours(60)
        case .scarcePool, .rateLimited: .hours(48)
        }
    }

    /// Makes the locks and puts everything that happens on the agenda.
    func people(_ world: World, seed: UInt64) {
        var draw = Draw(seed: seed &* 11 &+ 3)
        let locks = self == .calmWeek ? 5 : 8
        for place in 0..<locks {
            var device = SandboxDeviceSpecification(name: "Door \(place)")
            device.schedulesNatively = place % 4 != 3
            world.devices.append(world.model.createDevice(device))
        }
        let end = World.start + length
        switch self {
        case .calmWeek:
            book(world, &draw, count: 100, failing: 0.06, recovering: 0.3)
        case .hubOffline:
            book(world, &draw, count: 120, failing: 0.03, recovering: 0.3)
            let off = World.start + draw.duration(.hours(20), .hours(24))
            // The hub of six locks; guests go on arriving and booking.
            for device in 0..<6 {
                world.schedule(.disconnect(device: device), at: off)
                world.schedule(.connect(device: device), at: off + .hours(14))
            }
        case .scarcePool:
            book(world, &draw, count: 60, failing: 0.02, recovering: 0.3)
            let storm = World.start + draw.duration(.hours(6), .hours(10))
            for device in 0..<2 {
                for _ in 0..<10 {
                    let startsIn =
                        draw.chance(0.5) ? draw.duration(.hours(1), .hours(12)) : draw.duration(.hours(24), .hours(36))
                    world.schedule(
                        .book(
                            device: device, startsIn: startsIn, lasts: .hours(48),
                            failsAfter: draw.duration(.zero, .minutes(2))),
                        at: storm)
                }
                // The lock fills its pool slowly while it struggles.
                world.schedule(.slowRefill(device: device, delay: .hours(2)), at: World.start)
            }
        case .noWebhooks:
            book(world, &draw, count: 100, failing: 0.12, recovering: 0.3)
            world.schedule(.webhookFault(SandboxWebhookFault(.drop, count: nil)), at: World.start + .hours(12))
            world.schedule(.clearWebhookFaults, at: World.start + .hours(42))
        case .flappingLock:
            book(world, &draw, count: 100, failing: 0.03, recovering: 0.3)
            for device in 0..<3 {
                var at = World.start + draw.duration(.hours(4), .hours(6))
                while at < end {
                    world.schedule(.disconnect(device: device), at: at)
                    at = at + draw.duration(.minutes(5), .minutes(90))
                    world.schedule(.connect(device: device), at: at)
                    at = at + draw.duration(.minutes(5), .minutes(90))
                }
            }
        case .rateLimited:
            book(world, &draw, count: 100, failing: 0.15, recovering: 0.2)
            let from = World.start + draw.duration(.hours(12), .hours(16))
            world.schedule(
                .apiFault(SandboxFault(.error(status: 429, type: "too_many_requests", retryAfter: "30"), count: nil)),
                at: from)
            world.schedule(.clearFaults, at: from + .hours(1))
        }
    }

    /// Guests who book hours or days ahead; some of their codes fail, before or within the day before the stay.
    private func book(_ world: World, _ draw: inout Draw, count: Int, failing: Double, recovering: Double) {
        for _ in 0..<count {
            let startsAt = World.start + draw.duration(.hours(3), length - .hours(1))
            let ahead = draw.chance(0.3) ? draw.duration(.minutes(90), .hours(6)) : draw.duration(.hours(6), .hours(96))
            let bookedAt = max(World.start, startsAt - ahead)
            let fails = draw.chance(failing)
            let left = startsAt.duration(since: bookedAt)
            // Within the first moments, or whenever the lock is programmed again.
            let after =
                draw.chance(0.6)
                ? draw.duration(.zero, .minutes(2)) : draw.duration(.zero, max(.minutes(1), left - .minutes(20)))
            world.schedule(
                .book(
                    device: draw.number(0...(world.devices.count - 1)), startsIn: left,
                    lasts: draw.duration(.hours(20), .hours(96)), failsAfter: fails ? after : nil), at: bookedAt)
            if fails && draw.chance(recovering) {
                world.schedule(
                    .recoverBooking(at: bookedAt, startsAt: startsAt),
                    at: bookedAt + after + draw.duration(.minutes(5), .hours(3)))
            }
        }
    }
}
