import Testing

@testable import Daemon

/// Progress on a clock that the test moves.
struct PulseTests {
    private let clock = HandMovedClock()
    private let pulse: Pulse

    init() {
        pulse = Pulse(now: clock.now)
    }

    @Test func aPartIsStalledOnceItsTimeHasPassed() {
        let part = pulse.begin("inbox", within: .seconds(10))
        clock.advance(by: .seconds(10))
        #expect(pulse.stalled == [])
        clock.advance(by: .milliseconds(1))
        #expect(pulse.stalled == ["inbox"])
        part.beat(within: .seconds(1))
        #expect(pulse.stalled == [])
    }

    @Test func oneStalledPartIsNotHiddenByTheOthers() {
        let (inbox, sweep) = (pulse.begin("inbox"), pulse.begin("sweep"))
        for _ in 0..<10 {
            clock.advance(by: Pulse.patience / 2)
            inbox.beat()
        }
        #expect(pulse.stalled == ["sweep"])
        sweep.beat()
        #expect(pulse.stalled == [])
    }

    @Test func whatHasEndedIsNotWaitedFor() {
        let part = pulse.begin("delivery", within: .seconds(1))
        part.end()
        // A beat that comes late does not bring it back.
        part.beat(within: .seconds(1))
        clock.advance(by: .seconds(100))
        #expect(pulse.stalled == [])
        #expect(pulse.failing == [])
    }

    @Test func severalOfOneNameAreToldApart() {
        let (first, second) = (pulse.begin("lane", within: .seconds(1)), pulse.begin("lane", within: .seconds(1)))
        first.end()
        clock.advance(by: .seconds(2))
        #expect(pulse.stalled == ["lane"])
        second.end()
        #expect(pulse.stalled == [])
    }

    @Test func goingOnIsNotEnoughForTheDeadMan() {
        let sweep = pulse.begin("sweep", within: .seconds(10))
        #expect(pulse.failing == ["sweep"], "nothing has shown yet that it works")
        sweep.beat(within: .seconds(10))
        #expect(pulse.failing == [])
        for _ in 0..<3 {
            clock.advance(by: .seconds(6))
            sweep.beat(within: .seconds(10), succeeded: false)
        }
        #expect(pulse.stalled == [])
        #expect(pulse.failing == ["sweep"])
        sweep.beat(within: .seconds(10))
        #expect(pulse.failing == [])
    }

    @Test func workInHandIsWellForAsLongAsItGoesOn() {
        let lane = pulse.begin("lane", within: .seconds(10), isWork: true)
        for _ in 0..<10 {
            #expect(pulse.failing == [])
            clock.advance(by: .seconds(9))
            lane.beat(within: .seconds(10), succeeded: false)
        }
        clock.advance(by: .seconds(11))
        #expect(pulse.failing == ["lane"])
    }

    @Test func aPartThatHasJustBegunIsNotFailingForLong() {
        let sweep = pulse.begin("sweep", within: .seconds(10))
        sweep.beat(within: .seconds(60), succeeded: false)
        #expect(pulse.failingForLong == [])
        clock.advance(by: .seconds(11))
        #expect(pulse.failingForLong == ["sweep"])
        sweep.beat(within: .seconds(10))
        #expect(pulse.failingForLong == [])
        clock.advance(by: .seconds(11))
        #expect(pulse.failingForLong == ["sweep"])
    }
}
