internal import Glibc
internal import Settings

/// The user that runs the service, whom its files must let in. Whoever runs a check is that user, or root, who may do everything.
package struct ServiceAccount: Sendable, Equatable {
    package enum Access: UInt32, Sendable {
        case read = 4
        case write = 2
        case execute = 1
    }

    package var name: String
    package var userID: UInt32
    /// Its own group, which its new files get.
    package var groupID: UInt32
    package var groups: Set<UInt32>

    package init(name: String, userID: UInt32, groupID: UInt32, groups: Set<UInt32> = []) {
        self.name = name
        self.userID = userID
        self.groupID = groupID
        self.groups = groups.union([groupID])
    }

    /// This process's user; for root, whom the database's folder belongs to, else `sparekey` where there is such a user.
    package init(databasePath: String) {
        let me = geteuid()
        let folder = FileFacts(databasePath.parentFolder)
        let owner = me == 0 ? folder?.owner ?? getpwnam("sparekey")?.pointee.pw_uid ?? 0 : me
        guard let entry = getpwuid(owner) else {
            let group = owner == me ? getegid() : folder?.group ?? owner
            self.init(name: "\(owner)", userID: owner, groupID: group, groups: owner == me ? Self.ownGroups : [])
            return
        }
        let name = String(cString: entry.pointee.pw_name)
        let group = entry.pointee.pw_gid
        var groups: Set<UInt32> = []
        if owner == me {
            groups.formUnion(Self.ownGroups)
        } else {
            var list = [gid_t](repeating: 0, count: 256)
            var count = Int32(list.count)
            if getgrouplist(name, group, &list, &count) >= 0 {
                groups.formUnion(list.prefix(Int(count)))
            }
        }
        self.init(name: name, userID: owner, groupID: group, groups: groups)
    }

    private static var ownGroups: Set<UInt32> {
        var list = [gid_t](repeating: 0, count: 1024)
        let count = getgroups(Int32(list.count), &list)
        return Set(list.prefix(max(0, Int(count)))).union([getegid()])
    }

    /// By owner, group and mode, those of the folders on the way included. False where nothing is there.
    package func may(_ access: Access, _ path: String) -> Bool {
        guard let facts = FileFacts(path) else { return false }
        if userID == 0 { return access != .execute || facts.isDirectory || facts.mode & 0o111 != 0 }
        guard allows(access, facts) else { return false }
        guard path.utf8.first == UInt8(ascii: "/") else { return true }
        var folder = path.parentFolder
        while folder != "/" {
            guard let facts = FileFacts(folder), allows(.execute, facts) else { return false }
            folder = folder.parentFolder
        }
        return true
    }

    private func allows(_ access: Access, _ facts: FileFacts) -> Bool {
        let shift: UInt32 = facts.owner == userID ? 6 : groups.contains(facts.group) ? 3 : 0
        return facts.mode >> shift & access.rawValue != 0
    }
}
