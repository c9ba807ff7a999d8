import Foundation
import HTTPClient
import JSON
import Policy
import Synchronization
import Time

@testable import Seam

/// Not Swift Testing's.
typealias Issue = Policy.Issue

/// The payloads of Fixtures/examples.json, by name.
let examples: JSONValue = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/examples.json")
    guard let data = try? Data(contentsOf: file), let json = try? JSONValue(parsing: data), let all = json["examples"]
    else {
        fatalError("Fixtures/examples.json cannot be read")
    }
    return all
}()

let originalID = "44444444-4444-4444-8444-444444444444"
let backupID = "55555555-5555-4555-8555-555555555555"
let deviceID = "22222222-2222-4222-8222-222222222222"
let now = Timestamp("2026-11-20T16:21:00Z")!
let key = "seam_test2bMS_SECRETSECRET"

let deviceJSON: JSONValue = [
    "device_id": .string(deviceID), "workspace_id": "11111111-1111-4111-8111-111111111111",
    "display_name": "Front door",
    "nickname": "Front", "device_type": "august_lock", "capabilities_supported": ["access_code", "lock"],
    "created_at": "2026-01-01T00:00:00.000Z", "is_managed": true, "space_ids": [],
    "custom_metadata": ["property": "12", "has_dog": true, "count": 3],
    "location": ["location_name": "House", "time_zone": "Europe/Vienna", "timezone": "Europe/Berlin"],
    "properties": [
        "name": "FRONT", "online": false, "supports_backup_access_code_pool": true,
        "backup_access_code_pool_enabled": true,
        "battery": ["level": .number(0.5), "status": "good"],
    ],
    "errors": [
        [
            "error_code": "device_disconnected", "is_device_error": true, "message": "m",
            "created_at": "2026-11-20T14:02:11Z",
        ]
    ],
    "warnings": [
        ["warning_code": "partial_backup_access_code_pool", "message": "m", "created_at": "2026-11-20T14:02:11Z"]
    ],
]

/// Answers from a list and keeps what was asked.
final class StubTransport: HTTPTransport {
    private let state: Mutex<(answers: [Result<ClientResponse, ClientError>], requests: [ClientRequest])>

    init(_ answers: [Result<ClientResponse, ClientError>]) {
        state = Mutex((answers, []))
    }

    convenience init(_ bodies: JSONValue...) {
        self.init(
            bodies.map {
                .success(ClientResponse(status: 200, headers: [("seam-request-id", "req-1")], body: $0.bytes))
            })
    }

    func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        let answer = state.withLock { state in
            state.requests.append(request)
            return state.answers.isEmpty ? .failure(.cancelled) : state.answers.removeFirst()
        }
        return try answer.get()
    }

    var requests: [ClientRequest] { state.withLock { $0.requests } }
    /// Route and body of each request.
    var calls: [String] {
        requests.map { request in
            let route = request.url.replacing("https://connect.getseam.com", with: "")
            return route + " " + String(decoding: request.body ?? [], as: UTF8.self)
        }
    }
}

func client(
    _ transport: any HTTPTransport, baseURL: String = "https://connect.getseam.com", timeout: Duration = .seconds(20),
    observer: @escaping @Sendable (APICall) -> Void = { _ in }
) throws -> SeamClient {
    try SeamClient(
        baseURL: baseURL, apiKey: APIKey(key), transport: transport, timeout: timeout, clock: ManualWallClock(now),
        observer: observer)
}

/// Every JSON value that differs from `value` in one place: a member or element removed, or replaced by another type.
func mutations(of value: JSONValue, path: String = "") -> [(path: String, value: JSONValue)] {
    let others: [JSONValue] = [
        .null, 7, .number(1e300), .integer(.min), "", "x", "\u{0}", true, false, [], [.null], [7], [[]], [[:]], [:],
        ["error_code": 7], .string(String(repeating: "9", count: 100_000)), "2026-02-30T99:99:99Z",
    ]
    var results: [(path: String, value: JSONValue)] = others.map { (path, $0) }
    switch value {
    case .object(let members):
        for (index, member) in members.enumerated() {
            let path = path + "/" + member.key
            var rest = members
            rest.remove(at: index)
            results.append((path, .object(rest)))
            for (deeper, mutated) in mutations(of: member.value, path: path) {
                var changed = members
                changed[index].value = mutated
                results.append((deeper, .object(changed)))
            }
        }
    case .array(let elements):
        for (index, element) in elements.enumerated() {
            for (deeper, mutated) in mutations(of: element, path: path + "/\(index)") {
                var changed = elements
                changed[index] = mutated
                results.append((deeper, .array(changed)))
            }
        }
    default: break
    }
    return results
}
