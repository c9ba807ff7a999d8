internal import CLinux
internal import Glibc

/// What holds a folder.
package struct Volume: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case disk
        /// `tmpfs` or `ramfs`: gone when the machine restarts.
        case memory
        /// SQLite's WAL needs memory shared by all its users, which no network file system gives.
        /// https://www.sqlite.org/wal.html
        case network
    }

    package var kind: Kind
    /// What an ordinary user may still take.
    package var freeBytes: Int64
    package var isReadOnly: Bool

    package init(kind: Kind, freeBytes: Int64, isReadOnly: Bool = false) {
        self.kind = kind
        self.freeBytes = freeBytes
        self.isReadOnly = isReadOnly
    }

    /// Nil where the folder is not there, or may not be looked at.
    package init?(holding folder: String) {
        var facts = statfs()
        guard statfs(folder, &facts) == 0 else { return nil }
        let (bytes, overflow) = Int64(clamping: facts.f_bavail).multipliedReportingOverflow(
            by: Int64(clamping: facts.f_bsize))
        // linux/magic.h
        let kind: Kind =
            switch UInt32(truncatingIfNeeded: facts.f_type) {
            case 0x0102_1994, 0x8584_58F6: .memory
            // NFS, SMB, CIFS, SMB2, AFS, Ceph
            case 0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x5346_414F, 0x00C3_6400: .network
            default: .disk
            }
        // ST_RDONLY of statfs(2)
        self.init(kind: kind, freeBytes: overflow ? .max : bytes, isReadOnly: facts.f_flags & 1 != 0)
    }
}
