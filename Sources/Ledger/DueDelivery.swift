internal import GRDB
package import Policy
package import Time

/// A delivery that is due, with all that its message is made of.
package struct DueDelivery: Sendable {
    package enum Subject: Sendable {
        case substitution(SubstitutionFacts)
        case alert(AlertFacts)
    }

    package var id: String
    package var channel: DeliveryChannel
    package var kind: DeliveryKind
    package var attempts: Int
    package var createdAt: Timestamp
    package var subject: Subject

    /// Whom it is about, for the journal and the log.
    package var accessCodeID: String? {
        switch subject {
        case .substitution(let facts): facts.originalAccessCodeID
        case .alert(let facts): facts.alert.accessCodeID
        }
    }

    package var deviceID: String? {
        switch subject {
        case .substitution(let facts): facts.device.id
        case .alert(let facts): facts.alert.deviceID
        }
    }

    /// The ID of what it is about: what is told of one stay, or of one alert, is told one after the other.
    package var subjectID: String {
        switch subject {
        case .substitution(let facts): facts.substitutionID
        case .alert(let facts): facts.alertID
        }
    }

    /// What the log names it by.
    package var names: [String: String] {
        var names = ["delivery_id": id, "channel": channel.rawValue, "kind": kind.rawValue]
        names["access_code_id"] = accessCodeID
        names["device_id"] = deviceID
        switch subject {
        case .substitution(let facts):
            names["substitution_id"] = facts.substitutionID
            names["backup_access_code_id"] = facts.backupAccessCodeID
        case .alert(let facts): names["alert_id"] = facts.alertID
        }
        return names
    }
}

package struct AlertFacts: Sendable {
    package var alertID: String
    package var alert: Alert
    package var openedAt: Timestamp
    package var closedAt: Timestamp?
    package var deviceName: String?
}

/// What a guest's message is made of. The PIN goes into the message and nowhere else.
package struct SubstitutionFacts: Sendable {
    package var substitutionID: String
    package var originalAccessCodeID: String
    package var originalName: String?
    package var originalStartsAt: Timestamp?
    package var originalEndsAt: Timestamp?
    package var device: Device
    package var backupAccessCodeID: String
    /// Nil once purged.
    package var pin: PIN?
    package var backupStartsAt: Timestamp?
    package var backupEndsAt: Timestamp?
    package var substitutionIsActive: Bool
}

/// The end of one attempt at a delivery.
package enum DeliveryResult: Sendable, Equatable {
    case delivered
    case retry(at: Timestamp, error: String)
    /// The way will never deliver it: the next is tried.
    case failed(error: String)
    /// Nobody has to be told any more.
    case notNeeded(StopReason)
}

/// Why nobody has to be told any more; the words of `deliveries.last_error`.
package enum StopReason: String, Sendable, Equatable {
    case substitutionOver = "substitution_over"
    case pinPurged = "pin_purged"
    /// Also of an alert that is a day old.
    case stayOver = "stay_over"
    /// By an operator, or with the booking.
    case cancelled
}

extension DueDelivery {
    /// How long an alert, or that a code was revoked, is worth telling.
    private static let newsLifetime = Duration.seconds(86_400)

    /// When it has to be told by; nil where no end is known.
    package var end: Timestamp? {
        switch subject {
        case .alert: createdAt + Self.newsLifetime
        // A revocation is news after the stay, too.
        case .substitution where kind == .revoked: createdAt + Self.newsLifetime
        case .substitution(let facts): facts.backupEndsAt ?? facts.originalEndsAt
        }
    }

    /// Nil while somebody has to be told.
    package func reasonToStop(at now: Timestamp) -> StopReason? {
        if case .substitution(let facts) = subject, kind != .revoked {
            // A code that no longer opens the door must not be told; what is left of it is history.
            if !facts.substitutionIsActive { return .substitutionOver }
            if facts.pin == nil { return .pinPurged }
        }
        return end.map { $0 <= now } == true ? .stayOver : nil
    }

    init?(row: Row) {
        id = row["delivery_id"]
        channel = DeliveryChannel(rawValue: row["channel"]) ?? .manual
        kind = DeliveryKind(rawValue: row["kind"]) ?? .created
        attempts = row["attempts"]
        createdAt = row.time("created_at") ?? Timestamp(secondsSinceEpoch: 0)
        if row["substitution_id"] != nil {
            subject = .substitution(SubstitutionFacts(row: row))
        } else if let facts = AlertFacts(row: row) {
            subject = .alert(facts)
        } else {
            return nil
        }
    }
}

extension AlertFacts {
    fileprivate init?(row: Row) {
        guard let id = row["alert_id"] as String?, let kind = Alert.Kind(rawValue: row["alert_kind"]) else {
            return nil
        }
        alertID = id
        alert = Alert(
            kind, subject: row["subject"], accessCodeID: row["alert_access_code_id"], deviceID: row["alert_device_id"],
            text: row["text"])
        openedAt = row.time("opened_at") ?? Timestamp(secondsSinceEpoch: 0)
        closedAt = row.time("closed_at")
        deviceName = row["device_name"]
    }
}

extension SubstitutionFacts {
    fileprivate init(row: Row) {
        substitutionID = row["substitution_id"]
        originalAccessCodeID = row["original_access_code_id"]
        originalName = row["original_name"]
        originalStartsAt = row.time("original_starts_at")
        originalEndsAt = row.time("original_ends_at")
        device = Device(id: row["device_id"], name: row["device_name"], timeZone: row["time_zone"])
        device.customMetadata = metadata(row["custom_metadata"])
        backupAccessCodeID = row["backup_access_code_id"]
        pin = (row["backup_code"] as String?).flatMap(PIN.init)
        backupStartsAt = row.time("backup_starts_at")
        backupEndsAt = row.time("backup_ends_at")
        substitutionIsActive = row["substitution_state"] == "active"
    }
}
