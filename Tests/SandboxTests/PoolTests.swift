import JSON
import Sandbox
import Testing
import Time

struct PoolTests {
    private let pull = "/access_codes/pull_backup_access_code"

    @Test("A pull gives the next backup under both keys, valid from now to the end of the original")
    func pulls() throws {
        let bench = Bench()
        let device = bench.device()
        let id = bench.code(on: device)
        let next = try #require(bench.model.device(device)?.pool.first)
        bench.advance(.seconds(2))
        let answer = bench.post(pull, ["access_code_id": .string(id)])
        let backup = try #require(answer["access_code"])
        #expect(answer["backup_access_code"] == backup)
        #expect(backup["access_code_id"]?.string == next)
        #expect(backup["is_backup"] == true)
        #expect(backup["status"] == "set")
        #expect(backup["type"] == "time_bound")
        #expect(backup["name"]?.string == "Backup \(next) (Seam)")
        #expect(backup["starts_at"]?.string == bench.model.now.description)
        #expect(backup["ends_at"]?.string == bench.model.code(id)?.endsAt?.description)
        #expect(backup["is_backup_access_code_available"] == false)
        #expect(bench.model.code(id)?.pulledBackupID == next)
        #expect(bench.model.code(id)?.warnings.map(\.code) == ["using_backup_access_code"])
        let event = try #require(bench.model.events.last)
        #expect(event.type == "access_code.backup_access_code_pulled")
        #expect(event.json["backup_access_code_id"]?.string == next)
    }

    @Test("The same original gets the same backup, and one leaves the pool")
    func isIdempotent() {
        let bench = Bench()
        let device = bench.device()
        let id = bench.code(on: device)
        let ids = (0..<3).map { _ in
            bench.post(pull, ["access_code_id": .string(id)])["access_code"]?["access_code_id"]?.string
        }
        #expect(Set(ids).count == 1)
        #expect(bench.model.device(device)?.pool.count == 2)
        #expect(bench.model.counters.backupsPulled == 1)
        #expect(bench.model.counters.pulls == [id: 3])
    }

    @Test("An empty pool refuses as configured, shows it everywhere, and fills again one by one")
    func emptiesAndRefills() {
        let bench = Bench(options: SandboxOptions(emptyPoolStatus: 409, emptyPoolErrorType: "pool_is_empty"))
        let device = bench.device { $0.poolSize = 2 }
        let ids = (0..<3).map { _ in bench.code(on: device) }
        #expect(bench.post(pull, ["access_code_id": .string(ids[0])]).status == 200)
        #expect(bench.post(pull, ["access_code_id": .string(ids[1])]).status == 200)
        let refused = bench.post(pull, ["access_code_id": .string(ids[2])])
        #expect(refused.status == 409)
        #expect(refused.errorType == "pool_is_empty")
        #expect(refused["ok"] == false)
        let shown = bench.get("/access_codes/get", "access_code_id=\(ids[2])")["access_code"]
        #expect(shown?["is_backup_access_code_available"] == false)
        #expect(shown?["errors"]?.array?.first?["error_code"] == "empty_backup_access_code_pool")
        bench.advance(.seconds(60))
        #expect(bench.model.device(device)?.pool.count == 1)
        #expect(bench.model.device(device)?.errors.isEmpty == true)
        #expect(
            bench.get("/access_codes/get", "access_code_id=\(ids[2])")["access_code"]?[
                "is_backup_access_code_available"]
                == true)
        bench.advance(.seconds(60))
        #expect(bench.model.device(device)?.pool.count == 2)
        bench.advance(.seconds(600))
        #expect(bench.model.device(device)?.pool.count == 2)
    }

    @Test("An offline lock's pool does not fill, but what is in it can be pulled")
    func offline() {
        let bench = Bench()
        let device = bench.device()
        let ids = (0..<3).map { _ in bench.code(on: device) }
        bench.model.disconnectDevice(device)
        #expect(bench.post(pull, ["access_code_id": .string(ids[0])]).status == 200)
        bench.advance(.seconds(600))
        #expect(bench.model.device(device)?.pool.count == 2)
        #expect(bench.model.device(device)?.warnings.map(\.code) == ["partial_backup_access_code_pool"])
        bench.model.connectDevice(device)
        bench.advance(.seconds(60))
        #expect(bench.model.device(device)?.pool.count == 3)
        #expect(bench.model.device(device)?.warnings.isEmpty == true)
    }

    @Test("A pool that was emptied for good stays empty until it is filled by hand, whatever was due")
    func staysEmpty() {
        let bench = Bench()
        let device = bench.device()
        let ids = (0..<2).map { _ in bench.code(on: device) }
        #expect(bench.post(pull, ["access_code_id": .string(ids[0])]).status == 200)
        bench.model.emptyPool(of: device, refills: false)
        bench.advance(.seconds(600))
        #expect(bench.model.device(device)?.pool == [])
        bench.model.disconnectDevice(device)
        bench.model.connectDevice(device)
        bench.advance(.seconds(600))
        #expect(bench.model.device(device)?.pool == [])
        bench.model.refillPool(of: device)
        #expect(bench.post(pull, ["access_code_id": .string(ids[1])]).status == 200)
        #expect(bench.model.device(device)?.pool.count == 2)
        bench.advance(.seconds(60))
        #expect(bench.model.device(device)?.pool.count == 3)
    }

    @Test("A new delay is kept by a refill that is due already, sooner or later")
    func takesANewDelay() {
        let bench = Bench()
        let device = bench.device()
        #expect(bench.post(pull, ["access_code_id": .string(bench.code(on: device))]).status == 200)
        bench.model.setPool(of: device, refillDelay: .seconds(300))
        bench.advance(.seconds(299))
        #expect(bench.model.device(device)?.pool.count == 2)
        bench.model.setPool(of: device, refillDelay: .seconds(10))
        bench.advance(.seconds(10))
        #expect(bench.model.device(device)?.pool.count == 3)
        #expect(bench.post(pull, ["access_code_id": .string(bench.code(on: device))]).status == 200)
        bench.advance(.seconds(9))
        #expect(bench.model.device(device)?.pool.count == 2)
        bench.advance(.seconds(1))
        #expect(bench.model.device(device)?.pool.count == 3)
    }

    @Test("A backup that is deleted before anybody pulled it is out of the pool, which fills again")
    func deletes() throws {
        let bench = Bench()
        let device = bench.device()
        let pool = try #require(bench.model.device(device)?.pool)
        bench.post("/access_codes/delete", ["access_code_id": .string(pool[0])])
        #expect(bench.model.device(device)?.pool == [pool[1], pool[2]])
        bench.advance(.seconds(30))
        #expect(bench.model.code(pool[0]) == nil)
        let answer = bench.post(pull, ["access_code_id": .string(bench.code(on: device))])
        #expect(answer["access_code"]?["access_code_id"]?.string == pool[1])
        bench.advance(.seconds(120))
        #expect(bench.model.device(device)?.pool.count == 3)
        let left = try #require(bench.model.device(device)?.pool)
        for id in left { bench.model.deleteCode(id) }
        #expect(bench.model.device(device)?.errors.map(\.code) == ["empty_backup_access_code_pool"])
    }

    @Test("What cannot be backed up is refused")
    func refuses() {
        let bench = Bench()
        let device = bench.device()
        let ongoing = bench.model.createCode(SandboxCodeSpecification(deviceID: device))
        let unsupported = bench.device { $0.supportsBackupPool = false }
        let there = bench.code(on: unsupported)
        let id = bench.code(on: device)
        let backup = bench.post(pull, ["access_code_id": .string(id)])["access_code"]?["access_code_id"] ?? .null
        #expect(bench.post(pull, ["access_code_id": .string(ongoing)]).errorType == "access_code_not_time_bound")
        #expect(bench.post(pull, ["access_code_id": .string(there)]).errorType == "unsupported_device")
        #expect(bench.post(pull, ["access_code_id": backup]).status == 400)
        let unknown = "00000000-0000-4000-8000-000000000000"
        #expect(bench.post(pull, ["access_code_id": .string(unknown)]).status == 404)
        bench.model.deleteCode(backup.string ?? "")
        bench.advance(.seconds(1))
        #expect(bench.post(pull, ["access_code_id": .string(id)]).errorType == "backup_access_code_not_found")
    }

    @Test("The first code that asks for the pool activates it; disabling takes away what nobody pulled")
    func activates() {
        let bench = Bench()
        let device = bench.device { $0.isBackupPoolEnabled = false }
        #expect(bench.model.device(device)?.pool.isEmpty == true)
        let stay: JSONValue = [
            "device_id": .string(device), "use_backup_access_code_pool": true,
            "starts_at": .string((bench.model.now + .seconds(60)).description),
            "ends_at": .string((bench.model.now + .seconds(86_400)).description),
        ]
        #expect(bench.post("/access_codes/create", stay).status == 200)
        #expect(bench.model.device(device)?.errors.map(\.code) == ["empty_backup_access_code_pool"])
        bench.advance(.seconds(180))
        #expect(bench.model.device(device)?.pool.count == 3)
        bench.post("/devices/update", ["device_id": .string(device), "backup_access_code_pool_enabled": false])
        #expect(bench.model.device(device)?.pool.isEmpty == true)
        #expect(bench.model.device(device)?.errors.isEmpty == true)
        bench.advance(.seconds(600))
        #expect(bench.model.codes.filter(\.isBackup).isEmpty)
    }

    @Test("A pulled backup ends with the stay, and three in use are many")
    func ends() {
        let bench = Bench()
        let device = bench.device()
        let ids = (0..<3).map { _ in bench.code(on: device, lasts: .seconds(3600)) }
        for id in ids { bench.post(pull, ["access_code_id": .string(id)]) }
        #expect(bench.model.device(device)?.warnings.map(\.code) == ["many_active_backup_codes"])
        bench.advance(.seconds(3601))
        #expect(bench.model.codes.allSatisfy { $0.isBackup && !$0.isTimeBound })
        #expect(bench.model.device(device)?.warnings.isEmpty == true)
    }
}
