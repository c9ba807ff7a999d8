internal import CLinux
internal import Synchronization

/// The certificate and key that new connections get, which may be exchanged at any time: connections keep what they began with.
package final class TLSIdentity: Sendable {
    /// The two files of a certificate and its key.
    package struct Files: Sendable, Equatable {
        package var certificate: String
        package var privateKey: String

        package init(certificate: String, privateKey: String) {
            self.certificate = certificate
            self.privateKey = privateKey
        }
    }

    /// What tells that a file was written or replaced, also behind a symbolic link.
    private struct Stamp: Equatable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var seconds: Int64
        var nanoseconds: Int64

        init?(_ path: String) {
            var stamp = sparekey_file_stamp()
            guard sparekey_stat(path, &stamp) == 0 else { return nil }
            device = stamp.device
            inode = stamp.inode
            size = stamp.size
            seconds = stamp.modified_seconds
            nanoseconds = stamp.modified_nanoseconds
        }
    }

    private struct State {
        var files: Files
        /// Of the files as they were last looked at, whether they could be used or not.
        var stamps: [Stamp?]
        var context: TLSContext
    }

    private let state: Mutex<State>

    package init(_ files: Files) throws(TLSFileError) {
        let (context, stamps) = try TLSIdentity.load(files)
        state = Mutex(State(files: files, stamps: stamps, context: context))
    }

    package var context: TLSContext { state.withLock { $0.context } }

    /// Reads files anew, whether they have changed or not; when they cannot be used, the old certificate stays.
    package func replace(with files: Files) throws(TLSFileError) {
        let (context, stamps) = try TLSIdentity.load(files)
        state.withLock { $0 = State(files: files, stamps: stamps, context: context) }
    }

    /// Reads the files anew if they have changed since they were last looked at. When they cannot be used, the old
    /// certificate stays, and nothing is said about these files until they change again.
    ///
    /// - Returns: whether there is a new certificate.
    package func refresh() throws(TLSFileError) -> Bool {
        let (files, seen) = state.withLock { ($0.files, $0.stamps) }
        let stamps = TLSIdentity.stamps(files)
        guard stamps != seen else { return false }
        state.withLock { $0.stamps = stamps }
        try replace(with: files)
        return true
    }

    /// The stamps are taken first: a change during the reading is found the next time.
    private static func load(_ files: Files) throws(TLSFileError) -> (TLSContext, [Stamp?]) {
        let stamps = stamps(files)
        let context = try TLSContext(certificateFile: files.certificate, privateKeyFile: files.privateKey)
        return (context, stamps)
    }

    private static func stamps(_ files: Files) -> [Stamp?] { [Stamp(files.certificate), Stamp(files.privateKey)] }
}
