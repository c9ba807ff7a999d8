package import JSON
package import Ledger
internal import Policy
internal import Time

/// What the guest's side is told: the JSON that the signed webhook, the command's standard input and a claim share.
package struct DeliveryMessage: Sendable {
    /// The delivery's ID: the same for every repeat, so that a receiver drops what it has seen.
    package var id: String
    package var json: JSONValue

    package init(_ delivery: DueDelivery) {
        id = delivery.id
        json = [
            "id": .string(delivery.id), "type": .string(Self.type(of: delivery.kind)),
            "timestamp": .string(delivery.createdAt.description),
            "data": [
                "substitution_id": .string(delivery.substitutionID),
                "original_access_code_id": .string(delivery.originalAccessCodeID),
                "original_name": JSONValue(delivery.originalName),
                "original_starts_at": JSONValue(delivery.originalStartsAt?.description),
                "original_ends_at": JSONValue(delivery.originalEndsAt?.description),
                "device_id": .string(delivery.device.id), "device_name": JSONValue(delivery.device.name),
                "time_zone": JSONValue(delivery.device.timeZone),
                "backup_access_code_id": .string(delivery.backupAccessCodeID),
                "backup_code": JSONValue(delivery.pin?.digits),
                "backup_starts_at": JSONValue(delivery.backupStartsAt?.description),
                "backup_ends_at": JSONValue(delivery.backupEndsAt?.description),
                "custom_metadata": .object(
                    delivery.device.customMetadata.sorted { $0.key < $1.key }.map {
                        JSONValue.Member($0.key, .string($0.value))
                    }),
                "message": JSONValue(Self.text(delivery)),
            ],
        ]
    }

    private static func type(of kind: DeliveryKind) -> String {
        switch kind {
        case .created: "substitution.created"
        case .updated: "substitution.updated"
        case .revoked: "substitution.revoked"
        case .recovered: "original.recovered"
        case .alert: "alert.opened"
        }
    }

    /// A text ready to be sent to the guest; nil once the PIN is purged.
    private static func text(_ delivery: DueDelivery) -> String? {
        guard let pin = delivery.pin else { return nil }
        let door = delivery.device.name.map { " for \($0)" } ?? ""
        let end = delivery.backupEndsAt.map { " It works until \(readable($0))." } ?? ""
        return "Your door code\(door) has changed. Please use \(pin.digits) instead of the code you were given.\(end)"
    }

    /// `2026-11-20 16:20 UTC`
    private static func readable(_ instant: Timestamp) -> String {
        let text = instant.description
        return text.prefix(10) + " " + text.dropFirst(11).prefix(5) + " UTC"
    }
}
