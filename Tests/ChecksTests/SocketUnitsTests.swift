import Testing

@testable import Checks

@Suite struct SocketUnitsTests {
    /// As systemd 252 prints it.
    private let units = SocketUnits(
        listing: """
            /run/dbus/system_bus_socket     dbus.socket                     dbus.service
            /run/systemd/journal/dev-log    systemd-journald-dev-log.socket systemd-journald.service
            0.0.0.0:80                      web.socket                      web.service, other.service
            127.0.0.1:9465                  pages.socket                    sparekey@two.service
            [::]:8443                       sparekey.socket                 sparekey.service
            kobject-uevent 1                systemd-udevd-kernel.socket     systemd-udevd.service

            """)

    @Test func whoseAPortIs() throws {
        #expect(units.sockets.count == 6)
        let ours = try #require(units.socket(port: 8443))
        #expect(ours == .init(address: "[::]:8443", unit: "sparekey.socket", services: ["sparekey.service"]))
        #expect(ours.isFor("sparekey") && ours.isFor(nil) && !ours.isFor("sparekey@two"))
        let pages = try #require(units.socket(port: 9465))
        #expect(pages.isFor("sparekey@two") && pages.isFor(nil) && !pages.isFor("sparekey"))
        let web = try #require(units.socket(port: 80))
        #expect(web.services == ["web.service", "other.service"] && !web.isFor(nil))
        #expect(units.socket(port: 443) == nil)
    }

    @Test(arguments: ["", "Failed to list sockets: Access denied", "[::]:8443"])
    func whatIsNoListing(text: String) {
        #expect(SocketUnits(listing: text).socket(port: 8443) == nil)
    }
}
