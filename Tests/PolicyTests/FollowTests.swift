import Policy
import Testing
import Time

/// How a stay with a backup code goes on, row by row.
struct FollowTests {
    private static let now = Timestamp(secondsSinceEpoch: 1_800_000_000)
    private static let end = now + .seconds(86_400)

    private static func original(errors: [Policy.Issue] = [Policy.Issue(code: "failed_to_set_on_device")]) -> AccessCode
    {
        AccessCode(
            id: "original", deviceID: "lock", status: errors.isEmpty ? "set" : "unset", startsAt: now, endsAt: end,
            errors: errors)
    }

    private static func backup(_ change: (inout AccessCode) -> Void = { _ in }) -> AccessCode {
        var code = AccessCode(
            id: "backup", deviceID: "lock", status: "set", startsAt: now, endsAt: end, pin: PIN("4711"), isBackup: true)
        change(&code)
        return code
    }

    /// A stay that goes on as recorded.
    private static func stay(_ change: (inout FollowedStay) -> Void = { _ in }) -> FollowedStay {
        var stay = FollowedStay(
            original: original(), backup: backup(), recordedPIN: PIN("4711"), recordedStartsAt: now,
            recordedEndsAt: end, hasRecovered: false, removalRequestedAt: nil, onCancel: .endBackup, now: now)
        change(&stay)
        return stay
    }

    private static let stuck = backup { $0.errors = [Policy.Issue(code: "failed_to_remove_from_device")] }
    private static let other = backup { $0.pin = PIN("4712") }
    private static let cutShort = AccessCode(
        id: "original", deviceID: "lock", status: "unset", startsAt: now - .seconds(60), endsAt: now)
    private static func endless(errors: [Policy.Issue] = [Policy.Issue(code: "failed_to_set_on_device")]) -> AccessCode
    {
        AccessCode(
            id: "original", deviceID: "lock", kind: .ongoing, status: errors.isEmpty ? "set" : "unset", errors: errors)
    }
    private static let permanent = backup { $0.endsAt = nil }
    private static let shorter = backup { $0.endsAt = now + .seconds(60) }

    @Test(arguments: [
        (stay(), FollowDecision.nothing),
        (stay { $0.now = end }, .end),
        (stay { $0.now = end - .milliseconds(1) }, .nothing),
        (stay { ($0.original, $0.backup, $0.now) = (nil, nil, end) }, .end),
        (stay { $0.backup = nil }, .revoke(wasWanted: false)),
        (stay { ($0.original, $0.backup) = (original(errors: []), nil) }, .revoke(wasWanted: true)),
        (stay { ($0.original, $0.backup) = (nil, nil) }, .revoke(wasWanted: true)),
        (stay { ($0.original, $0.backup, $0.onCancel) = (nil, nil, .keep) }, .revoke(wasWanted: false)),
        (stay { ($0.backup, $0.removalRequestedAt) = (nil, now) }, .revoke(wasWanted: true)),
        (stay { $0.removalRequestedAt = now }, .awaitRemoval),
        (stay { ($0.backup, $0.removalRequestedAt) = (stuck, now) }, .escalateRemoval),
        (stay { $0.removalRequestedAt = now - .milliseconds(599_999) }, .awaitRemoval),
        (stay { $0.removalRequestedAt = now - .seconds(600) }, .escalateRemoval),
        (stay { $0.backup = stuck }, .nothing),
        (stay { $0.original = cutShort }, .removeBackup),
        (stay { ($0.original, $0.removalRequestedAt) = (cutShort, now) }, .awaitRemoval),
        (stay { ($0.original, $0.backup, $0.removalRequestedAt) = (cutShort, nil, now) }, .end),
        (stay { $0.original = nil }, .removeBackup),
        (stay { ($0.original, $0.onCancel) = (nil, .keep) }, .nothing),
        (stay { $0.backup = shorter }, .moveEnd(to: end)),
        (stay { $0.recordedEndsAt = now + .seconds(60) }, .refresh(backup())),
        (stay { $0.recordedStartsAt = nil }, .refresh(backup())),
        (stay { $0.backup = other }, .refresh(other)),
        (stay { $0.backup = backup { $0.pin = nil } }, .nothing),
        (stay { $0.original = endless() }, .escalateEnd),
        (stay { ($0.original, $0.now) = (endless(), end) }, .escalateEnd),
        (stay { ($0.original, $0.backup) = (endless(), other) }, .refresh(other)),
        (stay { ($0.original, $0.backup, $0.now) = (endless(), nil, end) }, .revoke(wasWanted: false)),
        (stay { ($0.original, $0.backup, $0.recordedEndsAt) = (endless(), permanent, nil) }, .nothing),
        (stay { $0.original = endless(errors: []) }, .noteRecovery),
        (stay { ($0.original, $0.now) = (endless(errors: []), end) }, .end),
        (stay { $0.original = original(errors: []) }, .noteRecovery),
        (stay { ($0.original, $0.hasRecovered) = (original(errors: []), true) }, .nothing),
    ])
    func goesOn(_ stay: FollowedStay, _ expected: FollowDecision) {
        #expect(follow(stay) == expected)
    }
}
