import Policy
import Testing
import Time

/// The decision table, a row a test, each built so that every later row would have decided otherwise.
@Suite struct DecisionTests {
    private let now = Timestamp("2026-11-20T16:00:00Z") ?? Timestamp(secondsSinceEpoch: 0)

    private func failedCode(_ change: (inout AccessCode) -> Void = { _ in }) -> AccessCode {
        var code = AccessCode(
            id: "original", deviceID: "lock", status: "unset", startsAt: now + .seconds(3600),
            endsAt: now + .seconds(86_400),
            errors: [Issue(code: "failed_to_set_on_device")], isBackupAvailable: true)
        change(&code)
        return code
    }

    private func decision(
        _ code: AccessCode?, knownEndsAt: Timestamp? = nil, device: Device? = nil, leadTime: Duration? = nil,
        hasWaited: Bool = false
    ) -> Decision {
        decide(
            Situation(
                code: code, knownEndsAt: knownEndsAt, device: device, now: now, leadTime: leadTime, hasWaited: hasWaited
            ))
    }

    @Test func aDeletedCodeNeedsNothing() {
        #expect(decision(nil) == .notNeeded(.codeDeleted))
        #expect(decision(nil, knownEndsAt: now + .seconds(1), hasWaited: true) == .notNeeded(.codeDeleted))
    }

    /// Seam deletes a code at its stay's end, perhaps before the last look at it.
    @Test func aCodeThatIsGoneAfterItsStayWasNotCancelled() {
        #expect(decision(nil, knownEndsAt: now, hasWaited: true) == .expired)
        #expect(decision(nil, knownEndsAt: now) == .ineligible(.alreadyEnded))
    }

    @Test func aBackupIsNeverBackedUp() {
        let code = failedCode {
            $0.isBackup = true
            $0.endsAt = now - .seconds(1)
        }
        #expect(decision(code) == .ineligible(.isBackup))
        let recovered = failedCode {
            $0.isBackup = true
            $0.status = "set"
            $0.errors = []
        }
        #expect(decision(recovered) == .notNeeded(.recovered))
    }

    @Test func anEndedStayIsOver() {
        let code = failedCode {
            $0.endsAt = now
            $0.kind = .ongoing
        }
        #expect(decision(code) == .ineligible(.alreadyEnded))
        #expect(decision(code, hasWaited: true) == .expired)
    }

    @Test(arguments: [AccessCode.Kind.ongoing, .other("rotating")])
    func onlyTimeBoundCodesHaveBackups(kind: AccessCode.Kind) {
        let code = failedCode {
            $0.kind = kind
            $0.pulledBackupID = "backup"
        }
        #expect(decision(code) == .ineligible(.notTimeBound))
    }

    /// Found by the simulation, seed 115: the booking was cancelled while the lock was offline.
    @Test(arguments: ["status", "mutation", "warning"])
    func aCodeThatIsBeingDeletedNeedsNothing(sign: String) {
        let code = failedCode {
            switch sign {
            case "status": ($0.status, $0.errors) = ("removing", [])
            case "mutation": $0.pendingMutations = ["deleting"]
            default: $0.warningCodes = ["being_deleted"]
            }
        }
        #expect(decision(code) == .notNeeded(.codeDeleted))
    }

    @Test func aBackupThatSomebodyPulledIsAdopted() {
        let code = failedCode {
            $0.pulledBackupID = "backup"
            $0.errors = []
            $0.status = "set"
        }
        #expect(decision(code) == .adopt(backupID: "backup"))
    }

    @Test(
        arguments: [
            ("set", false, [], true), ("unset", true, [], true), ("setting", false, [], false), (nil, false, [], true),
            (nil, false, ["creating"], false), (nil, true, ["creating"], true), ("unknown", false, [], false),
        ] as [(String?, Bool, [String], Bool)])
    func aCodeThatIsSetHasRecovered(status: String?, scheduled: Bool, mutations: [String], recovered: Bool) {
        let code = failedCode {
            $0.errors = [
                Issue(code: "device_disconnected", subject: .device), Issue(code: "failed_to_remove_from_device"),
            ]
            $0.status = status
            $0.isScheduledOnDevice = scheduled
            $0.pendingMutations = mutations
        }
        #expect(decision(code) == (recovered ? .notNeeded(.recovered) : .pull))
    }

    @Test(arguments: ["failed_to_set_on_device", "failed_to_issue", "provider_issue", "a_code_of_next_year"])
    func aBlockingErrorOutweighsTheStatus(code errorCode: String) {
        let code = failedCode {
            $0.status = "set"
            $0.errors = [Issue(code: errorCode)]
        }
        #expect(decision(code) == .pull)
    }

    @Test(arguments: ["failed_to_remove_from_device", "failed_to_expire", "failed_to_delete"])
    func aFailureToRemoveKeepsNobodyOut(code errorCode: String) {
        let code = failedCode {
            $0.status = "set"
            $0.errors = [Issue(code: errorCode)]
        }
        #expect(decision(code) == .notNeeded(.recovered))
    }

    @Test func aFarStayWaitsForItsLeadTime() {
        let code = failedCode {
            $0.startsAt = now + .seconds(40 * 3600)
            $0.endsAt = now + .seconds(80 * 3600)
            $0.isBackupAvailable = false
        }
        let device = Device(id: "lock", supportsBackupPool: false)
        #expect(
            decision(code, device: device, leadTime: .seconds(36 * 3600))
                == .wait(.leadTime, until: now + .seconds(4 * 3600)))
        #expect(decision(code, device: device, leadTime: .seconds(40 * 3600)) == .ineligible(.unsupportedDevice))
    }

    @Test func aFailureIsWatchedBeforeADraw() {
        func decision(startsIn: Duration, openedAgo: Duration) -> Decision {
            let code = failedCode { $0.startsAt = now + startsIn }
            return decide(
                Situation(code: code, now: now, drawDelay: .seconds(300), openedAt: now - openedAgo))
        }
        #expect(
            decision(startsIn: .seconds(7200), openedAgo: .seconds(60)) == .wait(.drawDelay, until: now + .seconds(240))
        )
        #expect(decision(startsIn: .seconds(7200), openedAgo: .seconds(300)) == .pull)
        // The hour before the stay is no time to watch.
        #expect(decision(startsIn: .seconds(3660), openedAgo: .zero) == .wait(.drawDelay, until: now + .seconds(60)))
        #expect(decision(startsIn: .seconds(3600), openedAgo: .zero) == .pull)
        #expect(decision(startsIn: .seconds(-60), openedAgo: .zero) == .pull)
        // The clock was set back since: nobody waits for it to come there again.
        #expect(decision(startsIn: .seconds(7200), openedAgo: .seconds(-900)) == .pull)
        #expect(
            decide(Situation(code: failedCode { $0.startsAt = nil }, now: now, drawDelay: .seconds(300), openedAt: now))
                == .pull)
    }

    @Test func aLockWithoutPoolsIsIneligible() {
        let code = failedCode { $0.isBackupAvailable = false }
        #expect(
            decision(code, device: Device(id: "lock", supportsBackupPool: false)) == .ineligible(.unsupportedDevice))
    }

    @Test func anEmptyPoolWaits() {
        let code = failedCode { $0.isBackupAvailable = false }
        for device in [nil, Device(id: "lock"), Device(id: "lock", supportsBackupPool: true)] {
            #expect(decision(code, device: device) == .wait(.poolEmpty, until: nil))
        }
    }

    @Test func otherwiseABackupIsPulled() {
        #expect(decision(failedCode()) == .pull)
        #expect(decision(failedCode { $0.isBackupAvailable = nil }) == .pull)
        #expect(decision(failedCode { $0.endsAt = nil }) == .pull)
    }

    @Test(
        arguments: [
            (APIFailure.unauthorized, WaitReason.unauthorized, nil),
            (.rateLimited(retryAfter: nil), .rateLimited, nil),
            (.rateLimited(retryAfter: .seconds(7)), .rateLimited, 7),
            (.unavailable(detail: "timeout", retryAfter: nil), .seamUnavailable, nil),
            (.unavailable(detail: "http_503", retryAfter: .seconds(9)), .seamUnavailable, 9),
            (.refused(status: 400, type: "pool_disabled"), .refused, nil),
        ] as [(APIFailure, WaitReason, Int?)])
    func aFailedCallWaits(failure: APIFailure, reason: WaitReason, seconds: Int?) {
        let decision = decide(after: failure, endsAt: now + .seconds(60), now: now)
        #expect(decision == .wait(reason, until: seconds.map { now + .seconds($0) }))
        #expect(decide(after: failure, endsAt: now, now: now) == .expired)
    }
}

@Suite struct PINTests {
    @Test func itsDigitsAppearInNoDescription() throws {
        let pin = try #require(PIN("73914628"))
        var dumped = ""
        dump(pin, to: &dumped)
        for text in ["\(pin)", String(reflecting: pin), String(describing: Optional(pin)), dumped] {
            #expect(!text.contains("73914628"))
        }
        #expect(PIN("") == nil)
    }
}
