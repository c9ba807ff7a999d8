import JSON
import Sandbox
import Testing
import Time

struct LifeCycleTests {
    @Test("A code whose stay is near goes from unset over setting to set")
    func sets() {
        let bench = Bench()
        let id = bench.code(on: bench.device())
        #expect(bench.model.code(id)?.status == .unset)
        #expect(bench.model.code(id)?.mutations.map(\.code) == ["creating"])
        bench.advance(.milliseconds(200))
        #expect(bench.model.code(id)?.status == .setting)
        bench.advance(.seconds(1))
        #expect(bench.model.code(id)?.status == .set)
        #expect(bench.model.code(id)?.mutations.isEmpty == true)
        #expect(bench.events(of: id) == ["access_code.created", "access_code.set_on_device"])
    }

    @Test("A code far ahead is deferred, then scheduled on the lock, then set when the stay starts")
    func schedules() throws {
        let bench = Bench()
        let id = bench.code(on: bench.device(), startsIn: .seconds(100 * 3600))
        let deferred = try #require(bench.model.code(id)?.mutations.first)
        #expect(deferred.code == "deferring_creation")
        bench.advance(.seconds(27 * 3600))
        #expect(bench.model.code(id)?.status == .unset)
        bench.advance(.seconds(3600 + 2))
        #expect(bench.model.code(id)?.isScheduledOnDevice == true)
        #expect(bench.model.code(id)?.status == .unset)
        bench.advance(.seconds(72 * 3600))
        #expect(bench.model.code(id)?.status == .set)
        #expect(
            bench.events(of: id)
                == ["access_code.created", "access_code.scheduled_on_device", "access_code.set_on_device"])
    }

    @Test("A forced failure shows the warning first, then the error and its event; recovery clears it")
    func failsAndRecovers() throws {
        let bench = Bench()
        let id = bench.code(on: bench.device())
        bench.model.failCode(id, after: .seconds(10), warningAfter: .seconds(5))
        bench.advance(.seconds(6))
        // It had been set meanwhile: no delay then.
        #expect(bench.model.code(id)?.warnings.isEmpty == true)
        bench.advance(.seconds(4))
        let failed = bench.get("/access_codes/get", "access_code_id=\(id)")
        let error = try #require(failed["access_code"]?["errors"]?.array?.first)
        #expect(error["error_code"] == "failed_to_set_on_device")
        #expect(error["is_access_code_error"] == true)
        #expect(failed["access_code"]?["status"] == "setting")
        let event = try #require(bench.model.events.last)
        #expect(event.type == "access_code.failed_to_set_on_device")
        #expect(event.json["access_code_errors"]?.array?.first?["error_code"] == "failed_to_set_on_device")
        #expect(event.json["code"] == nil)
        bench.advance(.seconds(3600))
        #expect(bench.model.code(id)?.status == .setting)
        bench.model.recoverCode(id)
        #expect(bench.model.code(id)?.status == .set)
        #expect(bench.model.code(id)?.errors.isEmpty == true)
        #expect(bench.events(of: id).last == "access_code.set_on_device")
    }

    @Test("On an offline lock programming is delayed, then fails, and succeeds once the lock is back")
    func offline() {
        let bench = Bench()
        let device = bench.device()
        bench.model.disconnectDevice(device)
        let id = bench.code(on: device)
        bench.advance(.seconds(602))
        #expect(bench.events(of: id).last == "access_code.delay_in_setting_on_device")
        #expect(bench.model.code(id)?.warnings.map(\.code) == ["delay_in_setting_on_device"])
        bench.advance(.seconds(602))
        #expect(bench.events(of: id).last == "access_code.failed_to_set_on_device")
        let shown = bench.get("/access_codes/get", "access_code_id=\(id)")["access_code"]?["errors"]?.array ?? []
        #expect(shown.compactMap { $0["error_code"]?.string } == ["failed_to_set_on_device", "device_disconnected"])
        bench.model.connectDevice(device)
        bench.advance(.seconds(1))
        #expect(bench.model.code(id)?.status == .set)
        #expect(bench.model.code(id)?.errors.isEmpty == true)
    }

    @Test("At its end a code is removed from the lock and is 404 from then on")
    func expires() {
        let bench = Bench()
        let id = bench.code(on: bench.device(), lasts: .seconds(60))
        bench.advance(.seconds(60))
        #expect(bench.model.code(id)?.status == .removing)
        bench.advance(.seconds(1))
        #expect(bench.events(of: id).last == "access_code.removed_from_device")
        #expect(bench.get("/access_codes/get", "access_code_id=\(id)").errorType == "access_code_not_found")
    }

    @Test("An offline lock keeps a code past its end: failed_to_remove_from_device until it is back")
    func cannotRemove() {
        let bench = Bench()
        let device = bench.device()
        let id = bench.code(on: device, lasts: .seconds(60))
        bench.advance(.seconds(50))
        bench.model.disconnectDevice(device)
        bench.advance(.seconds(1300))
        #expect(bench.events(of: id).last == "access_code.failed_to_remove_from_device")
        bench.model.connectDevice(device)
        bench.advance(.seconds(1))
        #expect(bench.model.code(id) == nil)
        #expect(bench.events(of: id).last == "access_code.removed_from_device")
    }

    @Test("Broken removal fails at once and ends with the recovery")
    func brokenRemoval() {
        let bench = Bench()
        let id = bench.code(on: bench.device())
        bench.advance(.seconds(2))
        bench.model.breakRemoval(of: id)
        bench.model.expireCode(id)
        bench.advance(.seconds(1))
        #expect(bench.model.code(id)?.errors.map(\.code) == ["failed_to_remove_from_device"])
        bench.model.recoverCode(id)
        #expect(bench.model.code(id) == nil)
    }

    @Test("A deleted code is removed, then deleted; one that was never set is deleted at once")
    func deletes() {
        let bench = Bench()
        let device = bench.device()
        let set = bench.code(on: device)
        bench.advance(.seconds(2))
        #expect(bench.call("DELETE", "/access_codes/delete", query: "access_code_id=\(set)").status == 200)
        bench.advance(.seconds(1))
        #expect(bench.events(of: set).suffix(2) == ["access_code.removed_from_device", "access_code.deleted"])
        let unset = bench.code(on: device)
        bench.model.deleteCode(unset)
        #expect(bench.model.code(unset) == nil)
        #expect(bench.events(of: unset).last == "access_code.deleted")
    }

    @Test("A new window is shown at once, confirmed by the lock with time_frame_changed, and moves the end")
    func moves() throws {
        let bench = Bench()
        let id = bench.code(on: bench.device(), lasts: .seconds(60))
        bench.advance(.seconds(2))
        let end = bench.model.now + .seconds(600)
        let answer = bench.call(
            "PATCH", "/access_codes/update",
            body: ["access_code_id": .string(id), "ends_at": .string(end.description)])
        #expect(answer.status == 200)
        #expect(bench.model.code(id)?.endsAt == end)
        #expect(bench.model.code(id)?.mutations.map(\.code) == ["updating_time_frame"])
        bench.advance(.seconds(1))
        let event = try #require(bench.model.events.last)
        #expect(event.type == "access_code.time_frame_changed")
        #expect(event.json["to"]?["ends_at"]?.string == end.description)
        bench.advance(.seconds(120))
        #expect(bench.model.code(id)?.status == .set)
        bench.advance(.seconds(600))
        #expect(bench.model.code(id) == nil)
    }

    private func update(_ id: String, _ members: JSONValue, in bench: Bench) {
        var body = members
        body["access_code_id"] = .string(id)
        #expect(bench.post("/access_codes/update", body).status == 200)
    }

    @Test("A deferred code whose stay moves is programmed by its new start, not by the old one")
    func movesBeforeProgramming() {
        let bench = Bench()
        let id = bench.code(on: bench.device(), startsIn: .seconds(30 * 86_400))
        bench.advance(.seconds(10))
        let start = bench.model.now + .seconds(3600)
        update(id, ["starts_at": .string(start.description)], in: bench)
        #expect(bench.model.code(id)?.mutations.map(\.code) == ["creating", "updating_time_frame"])
        bench.advance(.seconds(2))
        #expect(bench.model.code(id)?.isScheduledOnDevice == true)
        #expect(bench.model.code(id)?.mutations.isEmpty == true)
        bench.advance(.seconds(3600))
        #expect(bench.model.code(id)?.status == .set)

        let later = bench.code(on: bench.device(), startsIn: .seconds(100 * 3600))
        let (newStart, newEnd) = (bench.model.now + .seconds(30 * 86_400), bench.model.now + .seconds(40 * 86_400))
        update(
            later, ["starts_at": .string(newStart.description), "ends_at": .string(newEnd.description)], in: bench)
        let shown = bench.get("/access_codes/get", "access_code_id=\(later)")["access_code"]?["pending_mutations"]
        #expect(shown?.array?.first?["scheduled_at"]?.string == (newStart - .seconds(72 * 3600)).description)
        bench.advance(.seconds(29 * 3600))
        #expect(bench.model.code(later)?.isOnDevice == false)
        #expect(bench.model.code(later)?.status == .unset)
        bench.advance(.seconds(27 * 86_400 - 29 * 3600 + 2))
        #expect(bench.model.code(later)?.isScheduledOnDevice == true)
    }

    @Test("A code that becomes ongoing before its stay is set, scheduled on the lock or not yet")
    func becomesOngoing() {
        let bench = Bench()
        let scheduled = bench.code(on: bench.device(), startsIn: .seconds(3600))
        let deferred = bench.code(on: bench.device(), startsIn: .seconds(30 * 86_400))
        bench.advance(.seconds(2))
        #expect(bench.model.code(scheduled)?.isScheduledOnDevice == true)
        for id in [scheduled, deferred] { update(id, ["type": "ongoing"], in: bench) }
        bench.advance(.seconds(2))
        for id in [scheduled, deferred] {
            #expect(bench.model.code(id)?.status == .set)
            #expect(bench.model.code(id)?.isScheduledOnDevice == false)
            #expect(bench.model.code(id)?.mutations.isEmpty == true)
            #expect(bench.events(of: id).contains("access_code.set_on_device"))
        }
        bench.advance(.seconds(90 * 86_400))
        #expect(bench.model.code(scheduled)?.status == .set)
        #expect(bench.events(of: scheduled).count { $0 == "access_code.set_on_device" } == 1)
    }

    @Test("The clock of the sandbox can be moved ahead, and nextDue says when something happens")
    func clock() throws {
        let bench = Bench()
        let id = bench.code(on: bench.device())
        let due = try #require(bench.model.nextDue)
        #expect(due == Bench.start + .milliseconds(200))
        bench.model.moveClock(by: .seconds(4 * 86_400))
        #expect(bench.model.code(id) == nil)
        #expect(bench.model.now == Bench.start + .seconds(4 * 86_400))
    }

    @Test("One seed, one history: events, ids and PINs are the same")
    func isDeterministic() {
        func history(seed: UInt64) -> [JSONValue] {
            let bench = Bench(seed: seed)
            let device = bench.device()
            let ids = (0..<5).map { _ in bench.code(on: device) }
            bench.advance(.seconds(2))
            for id in ids { bench.model.failCode(id) }
            for id in ids { bench.post("/access_codes/pull_backup_access_code", ["access_code_id": .string(id)]) }
            bench.advance(.seconds(4 * 86_400))
            return bench.model.events.map(\.json) + bench.model.codes.map { .string($0.id + $0.pin) }
        }
        let first = history(seed: 7)
        #expect(first.count > 20)
        #expect(first == history(seed: 7))
        #expect(first != history(seed: 8))
    }

    @Test("No event is older than one before it, whenever it was due")
    func eventsAreInOrder() {
        let bench = Bench()
        let device = bench.device()
        bench.model.createCode(
            SandboxCodeSpecification(
                deviceID: device, startsAt: Bench.start - .seconds(7200), endsAt: Bench.start - .seconds(3600),
                isSet: true))
        bench.advance(.seconds(10))
        let times = bench.model.events.map(\.createdAt)
        #expect(times == times.sorted())
    }
}
