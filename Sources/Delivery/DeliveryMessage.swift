package import JSON
package import Ledger
internal import Policy
internal import Time
package import Words

/// What the guest's side is told: the JSON that the signed webhook, the command's standard input and a claim share.
package struct DeliveryMessage: Sendable {
    /// The delivery's ID: the same for every repeat, so that a receiver drops what it has seen.
    package var id: String
    package var json: JSONValue

    package init(id: String, json: JSONValue) {
        self.id = id
        self.json = json
    }

    /// - Parameter texts: what a guest is told, in the operator's language.
    package init(_ delivery: DueDelivery, texts: MessageTexts) {
        id = delivery.id
        let (type, data) =
            switch delivery.subject {
            case .substitution(let facts):
                (Self.type(of: delivery.kind), Self.data(facts, Self.text(delivery.kind, facts, texts)))
            case .alert(let facts): (Self.type(of: facts, createdAt: delivery.createdAt), Self.data(facts))
            }
        json = [
            "id": .string(delivery.id), "type": .string(type), "timestamp": .string(delivery.createdAt.description),
            "data": data,
        ]
    }

    private static func data(_ facts: SubstitutionFacts, _ text: String?) -> JSONValue {
        [
            "substitution_id": .string(facts.substitutionID),
            "original_access_code_id": .string(facts.originalAccessCodeID),
            "original_name": JSONValue(facts.originalName),
            "original_starts_at": JSONValue(facts.originalStartsAt?.description),
            "original_ends_at": JSONValue(facts.originalEndsAt?.description),
            "device_id": .string(facts.device.id), "device_name": JSONValue(facts.device.name),
            "time_zone": JSONValue(facts.device.timeZone),
            "backup_access_code_id": .string(facts.backupAccessCodeID),
            "backup_code": JSONValue(facts.pin?.digits),
            "backup_starts_at": JSONValue(facts.backupStartsAt?.description),
            "backup_ends_at": JSONValue(facts.backupEndsAt?.description),
            "custom_metadata": .object(
                facts.device.customMetadata.sorted { $0.key < $1.key }.map {
                    JSONValue.Member($0.key, .string($0.value))
                }),
            "message": JSONValue(text),
        ]
    }

    private static func data(_ facts: AlertFacts) -> JSONValue {
        [
            "alert_id": .string(facts.alertID), "alert": .string(facts.alert.kind.rawValue),
            "access_code_id": JSONValue(facts.alert.accessCodeID), "device_id": JSONValue(facts.alert.deviceID),
            "device_name": JSONValue(facts.deviceName), "opened_at": .string(facts.openedAt.description),
            "closed_at": JSONValue(facts.closedAt?.description), "message": .string(facts.alert.text),
        ]
    }

    /// An alert has one delivery for its beginning and one, made when it was closed, for its end.
    private static func type(of facts: AlertFacts, createdAt: Timestamp) -> String {
        facts.closedAt.map { createdAt >= $0 } == true ? "alert.closed" : "alert.opened"
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

    /// A text ready to be sent to the guest; nil once its PIN is purged.
    private static func text(_ kind: DeliveryKind, _ facts: SubstitutionFacts, _ texts: MessageTexts) -> String? {
        let kind: MessageTexts.Kind =
            switch kind {
            case .created, .alert: .created
            case .updated: .updated
            case .revoked: .revoked
            case .recovered: .recovered
            }
        return texts.text(
            kind,
            MessageTexts.Values(
                name: facts.originalName, pin: facts.pin?.digits,
                startsAt: facts.backupStartsAt ?? facts.originalStartsAt,
                endsAt: facts.backupEndsAt ?? facts.originalEndsAt, device: facts.device.name,
                timeZone: facts.device.timeZone))
    }
}
