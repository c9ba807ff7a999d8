import JSON
import Sandbox
import Testing
import Time

/// A model on a clock that is moved by hand, with its API.
struct Bench {
    static let start = Timestamp(secondsSinceEpoch: 1_795_190_400)
    let clock = ManualWallClock(start)
    let model: SandboxModel
    let api: SandboxAPI

    init(seed: UInt64 = 1, options: SandboxOptions = SandboxOptions()) {
        model = SandboxModel(options: options, clock: clock, random: RandomSource(SeededGenerator(seed: seed)))
        api = SandboxAPI(model: model)
    }

    func device(_ change: (inout SandboxDeviceSpecification) -> Void = { _ in }) -> String {
        var specification = SandboxDeviceSpecification(name: "Door")
        change(&specification)
        return model.createDevice(specification)
    }

    /// A code whose stay began an hour ago and lasts three more days.
    func code(on deviceID: String, startsIn: Duration = .seconds(-3600), lasts: Duration = .seconds(3 * 86_400))
        -> String
    {
        let startsAt = model.now + startsIn
        return model.createCode(
            SandboxCodeSpecification(
                deviceID: deviceID, name: "Guest", startsAt: startsAt, endsAt: startsAt + .seconds(3600) + lasts))
    }

    func advance(_ duration: Duration) {
        clock.advance(by: duration)
        model.advance()
    }

    func events(of id: String) -> [String] { model.events.filter { $0.accessCodeID == id }.map(\.type) }

    @discardableResult
    func post(_ path: String, _ body: JSONValue = [:], key: String? = "seam_test1", isLocal: Bool = true) -> Answer {
        call("POST", path, body: body, key: key, isLocal: isLocal)
    }

    func get(_ path: String, _ query: String? = nil) -> Answer { call("GET", path, query: query) }

    func call(
        _ method: String, _ path: String, query: String? = nil, body: JSONValue? = nil, key: String? = "seam_test1",
        isLocal: Bool = true
    ) -> Answer {
        var headers: [(name: String, value: String)] = [("host", "seam.test")]
        if let key { headers.append(("authorization", "Bearer " + key)) }
        if body != nil { headers.append(("content-type", "application/json")) }
        return Answer(
            api.handle(
                SandboxRequest(
                    method: method, path: path, query: query, headers: headers, body: body?.bytes ?? [],
                    isLocal: isLocal)))
    }
}

struct Answer {
    var raw: SandboxAnswer
    var status: Int { raw.status }
    var json: JSONValue

    init(_ raw: SandboxAnswer) {
        self.raw = raw
        json = (try? JSONValue(parsing: raw.body)) ?? .null
    }

    subscript(key: String) -> JSONValue? { json[key] }
    var errorType: String? { json["error"]?["type"]?.string }
}
