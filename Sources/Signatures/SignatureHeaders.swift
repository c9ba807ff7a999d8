/// The two sets of header names of Standard Webhooks; a sender uses one of them, never both.
package enum HeaderFamily: String, Sendable, CaseIterable {
    /// `svix-id`, `svix-timestamp`, `svix-signature`: what Svix sends for Seam.
    case svix

    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: the specification's own, and white-labelled senders'.
    case webhook
}

/// The signature headers of one request, picked out of all of its headers.
///
/// Values are slices of the buffer they arrived in; nothing is copied. Names are compared without regard to the case of
/// ASCII letters, and of nothing else.
package struct SignatureHeaders: Sendable {
    /// What was seen of one header.
    enum Field: Sendable {
        case absent
        case once(ArraySlice<UInt8>)
        case repeated

        mutating func see(_ value: ArraySlice<UInt8>) {
            switch self {
            case .absent: self = .once(value)
            case .once, .repeated: self = .repeated
            }
        }

        var isPresent: Bool {
            if case .absent = self { false } else { true }
        }

        var isRepeated: Bool {
            if case .repeated = self { true } else { false }
        }
    }

    struct Fields: Sendable {
        var id = Field.absent
        var timestamp = Field.absent
        var signature = Field.absent

        var isAnyRepeated: Bool { id.isRepeated || timestamp.isRepeated || signature.isRepeated }

        var isAnyPresent: Bool { id.isPresent || timestamp.isPresent || signature.isPresent }

        mutating func see(suffix: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
            if suffix.equals(folded: "id") {
                id.see(value)
            } else if suffix.equals(folded: "timestamp") {
                timestamp.see(value)
            } else if suffix.equals(folded: "signature") {
                signature.see(value)
            }
        }
    }

    private var svix = Fields()
    private var webhook = Fields()

    package init() {}

    /// Picks the signature headers out of `fields`, in order.
    package init(_ fields: some Sequence<(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)>) {
        for field in fields { add(name: field.name, value: field.value) }
    }

    /// Takes note of one header of the request; any other than the six is passed over.
    package mutating func add(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
        if name.starts(withFolded: "svix-") {
            svix.see(suffix: name.dropFirst(5), value: value)
        } else if name.starts(withFolded: "webhook-") {
            webhook.see(suffix: name.dropFirst(8), value: value)
        }
    }

    /// Whether none of the six is there, as in what scanners send.
    package var isEmpty: Bool { !svix.isAnyPresent && !webhook.isAnyPresent }

    /// What the message calls itself, for the log of what is refused: nobody has vouched for it. Nil for what is no ID.
    package var claimedID: String? {
        guard case .once(let id) = selected.id, SignedContent.isValidID(id) else { return nil }
        return String(decoding: id, as: UTF8.self)
    }

    /// The family that counts: `svix-` where any of its three is there, else `webhook-`. They are never mixed.
    var selected: Fields { svix.isAnyPresent ? svix : webhook }
}
