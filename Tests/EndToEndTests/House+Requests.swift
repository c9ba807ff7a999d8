import Foundation
import HTTPClient
import JSON
import Settings
import Signatures
import Testing
import Time

/// A webhook made by hand.
struct HandMade {
    var id = "msg_" + UUID().uuidString
    var timestamp = SystemWallClock().now().secondsSinceEpoch
    var body: [UInt8]

    init(_ body: [UInt8]) { self.body = body }

    init(_ text: String) { body = Array(text.utf8) }

    init(_ type: String, of codeID: String, on deviceID: String, eventID: String = UUID().uuidString) {
        let now = SystemWallClock().now().description
        let json: JSONValue = [
            "event_id": .string(eventID), "event_type": .string(type), "access_code_id": .string(codeID),
            "device_id": .string(deviceID), "created_at": .string(now), "occurred_at": .string(now),
        ]
        body = json.bytes
    }

    static func failure(of codeID: String, on deviceID: String, eventID: String = UUID().uuidString) -> HandMade {
        HandMade("access_code.failed_to_set_on_device", of: codeID, on: deviceID, eventID: eventID)
    }

    func headers(secret: String) throws -> [(String, String)] {
        let signer = SignatureSigner(secret: try SigningSecret(secret))
        return try signer.headers(family: .svix, id: id, timestamp: timestamp, body: body.span).map {
            ($0.name, $0.value)
        }
    }
}

extension House {
    /// Posts a webhook signed with the house's secret, or with another.
    @discardableResult
    func post(_ webhook: HandMade, secret: String? = nil) async throws -> ClientResponse {
        try await request("POST", webhookURL, try webhook.headers(secret: secret ?? self.secret), webhook.body)
    }

    /// `POST /access_codes/pull_backup_access_code` by another program than Sparekey.
    func pullAsSomebodyElse(_ codeID: String) async throws {
        let body: JSONValue = ["access_code_id": .string(codeID)]
        let response = try await request(
            "POST", settings.seam.baseURL + "/access_codes/pull_backup_access_code",
            [("Authorization", "Bearer seam_of_somebody_else"), ("Content-Type", "application/json")], body.bytes)
        try #require(response.status == 200)
    }

    func admin(_ method: String, _ path: String, token: String? = House.token) async throws -> ClientResponse {
        try await request(
            method, adminURL + path, token.map { [("Authorization", "Bearer " + $0)] } ?? [],
            method == "POST" ? [] : nil
        )
    }

    func request(
        _ method: String, _ url: String, _ headers: [(String, String)] = [], _ body: [UInt8]?
    ) async throws -> ClientResponse {
        try await client.send(
            ClientRequest(method: method, url: url, headers: headers, body: body, timeout: .seconds(30)))
    }
}

extension ClientResponse {
    var text: String { String(decoding: body, as: UTF8.self) }
}
