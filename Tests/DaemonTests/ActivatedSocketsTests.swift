import Testing

@testable import Daemon

struct ActivatedSocketsTests {
    private func sockets(_ variables: [String: String]) -> ActivatedSockets {
        ActivatedSockets(environment: variables, processID: 42)
    }

    @Test func socketsAreToldApartByName() {
        let found = sockets(["LISTEN_PID": "42", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "sparekey.socket:admin:other"])
        #expect(found.webhooks == [3, 5])
        #expect(found.admin == [4])
    }

    @Test func withoutNamesAllAreForWebhooks() {
        #expect(sockets(["LISTEN_PID": "42", "LISTEN_FDS": "2"]).webhooks == [3, 4])
    }

    @Test(arguments: [
        [:], ["LISTEN_FDS": "1"], ["LISTEN_PID": "41", "LISTEN_FDS": "1"], ["LISTEN_PID": "42"],
        ["LISTEN_PID": "42", "LISTEN_FDS": "0"], ["LISTEN_PID": "42", "LISTEN_FDS": "-1"],
        ["LISTEN_PID": "42", "LISTEN_FDS": "65"], ["LISTEN_PID": "42", "LISTEN_FDS": "99999999999"],
        ["LISTEN_PID": "42", "LISTEN_FDS": "one"],
    ])
    func whatIsNotForThisProcessIsLeftAlone(variables: [String: String]) {
        let found = sockets(variables)
        #expect(found.webhooks == [] && found.admin == [])
    }
}

struct ServiceManagerTests {
    @Test(arguments: [
        (["WATCHDOG_USEC": "30000000"], Duration.seconds(30)),
        (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"], .seconds(30)),
        (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"], nil), (["WATCHDOG_USEC": "0"], nil),
        (["WATCHDOG_USEC": "soon"], nil), ([:], nil),
    ])
    func watchdogIsFedOnlyWhereItIsAskedFor(variables: [String: String], timeout: Duration?) {
        #expect(ServiceManager(environment: variables, processID: 42).watchdogTimeout == timeout)
    }
}
