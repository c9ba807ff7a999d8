internal import Logging
internal import Seam

extension Error {
    /// The error for a line of the log, with Seam's request ID where it is an answer of Seam's, which its support asks for.
    ///
    /// - Parameter names: what it is about.
    func metadata(_ names: [String: String] = [:]) -> Logger.Metadata {
        var metadata = names.mapValues(Logger.MetadataValue.string)
        metadata["error"] = "\(self)"
        if let requestID = (self as? SeamError)?.requestID { metadata["request_id"] = "\(requestID)" }
        return metadata
    }
}
