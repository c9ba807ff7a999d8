/// A misbehaviour on demand of one route, or of all.
package struct SandboxFault: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// Seam's error JSON; with status 429, 404, 500, 409 or any other, and `Retry-After` where given.
        case error(status: Int, type: String, retryAfter: String?)
        /// A status without a body: an outage as a load balancer tells of it.
        case empty(status: Int, retryAfter: String?)
        /// A page of HTML instead of JSON.
        case html(status: Int)
        /// Never answers; on a socket, the connection is reset after two minutes.
        case timeout
        /// The connection is reset and nothing has happened.
        case reset
        /// Everything happens, then the connection is reset instead of an answer.
        case resetAfterCommit
        /// The answer, one byte per interval.
        case drip(interval: Duration)
        case delay(Duration)
        /// The pulled backup has `code: null` until it has been read again so many times.
        case nullCode(reads: Int)
        /// Members and issues that nobody knows are added to every object.
        case extraFields
        /// `status` and the device type are words that nobody knows.
        case unknownEnums
        /// A member is left out wherever it occurs: `status` (deprecated), or one of the two keys of a pull's answer.
        case omit(String)
        /// Timestamps have six fraction digits.
        case microseconds

        /// Answers instead of the route itself.
        var isInstead: Bool {
            switch self {
            case .error, .empty, .html, .timeout, .reset: true
            default: false
            }
        }
    }

    /// A path such as `/access_codes/get`; nil: every route.
    package var route: String?
    package var kind: Kind
    /// So many requests are concerned; nil: all, until cleared.
    package var count: Int?
    /// Only requests that name this access code.
    package var accessCodeID: String?

    package init(_ kind: Kind, route: String? = nil, count: Int? = 1, accessCodeID: String? = nil) {
        self.kind = kind
        self.route = route
        self.count = count
        self.accessCodeID = accessCodeID
    }
}

/// What has been asked of the simulated Seam so far.
package struct SandboxCounters: Sendable, Equatable {
    /// Per path, whatever the answer was; unknown paths count as `other`.
    package var requests: [String: Int] = [:]
    /// Requests to pull a backup per original, whatever the answer was.
    package var pulls: [String: Int] = [:]
    /// Backups that left a pool: at most one per original.
    package var backupsPulled = 0
    /// Requests that a fault concerned.
    package var faultsServed = 0
}
