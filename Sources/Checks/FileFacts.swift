internal import Glibc

/// What a path is, and whom it belongs to.
struct FileFacts: Sendable {
    var isDirectory: Bool
    var isRegular: Bool
    /// The nine permission bits.
    var mode: UInt32
    var owner: UInt32
    var group: UInt32

    /// Nil where nothing is there.
    init?(_ path: String) {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        isDirectory = facts.st_mode & S_IFMT == S_IFDIR
        isRegular = facts.st_mode & S_IFMT == S_IFREG
        mode = UInt32(facts.st_mode) & 0o777
        owner = facts.st_uid
        group = facts.st_gid
    }

    var octalMode: String { "0" + String(mode, radix: 8) }

    var ownerName: String { getpwuid(owner).map { String(cString: $0.pointee.pw_name) } ?? "\(owner)" }
}
