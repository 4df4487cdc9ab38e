"""Managed nodes whose transitions may take their time.

https://design.ros2.org/articles/node_lifecycle.html says what the states and transitions mean.
rclpy runs a transition inside the callback of its service: loading a model there would stop every
node of the process, and a transition that the present state does not allow would end it. Here
transitions are coroutines, and one that is not possible is refused.
"""

from collections.abc import Awaitable, Callable

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNodeMixin, TransitionCallbackReturn
from rclpy.node import Node

from vlm_ros.errors import VlmRosError

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 60.0
_PRIMARY_STATES = (
    State.PRIMARY_STATE_UNCONFIGURED,
    State.PRIMARY_STATE_INACTIVE,
    State.PRIMARY_STATE_ACTIVE,
    State.PRIMARY_STATE_FINALIZED,
)
_MENDS = {
    'unconfigured': 'configure and activate it',
    'inactive': 'activate it',
    'finalized': 'restart it',
}


class ManagedNode(LifecycleNodeMixin, Node):
    """A node with the states of the ROS 2 lifecycle.

    A subclass says in `configure`, `activate`, `deactivate` and `cleanup` what a transition does;
    each may raise `VlmRosError`, upon which the transition fails and its message is the reason.

    Args:
        name: The node's name.
    """

    def __init__(self, name: str) -> None:
        Node.__init__(self, name)
        # Reentrant, or a pending transition would hold up every other callback of the node.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._on_change_state
        self._has_state_machine = True
        self._trouble = ''
        self._retry_s = _FIRST_RETRY_S
        self._starts_by_itself = False

    def destroy_node(self) -> None:
        """Destroy the node with its lifecycle services, which rclpy would leave behind."""
        super().destroy_node()
        # Twice on Kilted, where the context's end destroys its nodes too.
        if self._has_state_machine:
            self._has_state_machine = False
            self._state_machine.destroy_when_not_in_use()

    async def configure(self) -> None:
        """Get what the work needs."""

    async def activate(self) -> None:
        """Begin the work."""

    async def deactivate(self) -> None:
        """Stop the work."""

    async def cleanup(self) -> None:
        """Free what the work needed; also called where `configure` failed halfway."""

    @property
    def state(self) -> str:
        """The label of the present state, such as `inactive` or `configuring`."""
        return str(self._state_machine.current_state[1])

    @property
    def is_active(self) -> bool:
        """Whether the node works."""
        return bool(self._state_machine.current_state[0] == State.PRIMARY_STATE_ACTIVE)

    @property
    def trouble(self) -> str:
        """Why the last transition failed, in one line; empty where it did not."""
        return self._trouble

    def why_not_active(self) -> str:
        """One line that says why the node does not work, and the mend."""
        if self._trouble:
            return f'{self.get_name()} is {self.state}: {self._trouble}'
        if (mend := _MENDS.get(self.state)) is None:
            return f'{self.get_name()} is {self.state}'
        return f'{self.get_name()} is {self.state}; {mend}'

    def start_by_itself(self) -> None:
        """Configure and activate the node once its executor runs, without a lifecycle manager.

        What fails is tried again after a back-off, until it succeeds or somebody else takes over.
        """
        self._starts_by_itself = True
        self._start_in(0.0)

    async def change_state(self, transition_id: int) -> bool:
        """Go through a transition.

        Args:
            transition_id: One of `lifecycle_msgs.msg.Transition`.

        Returns:
            Whether it was possible and succeeded; `trouble` says why not.
        """
        possible = self._possible()
        if transition_id not in possible.values():
            labels = ', '.join(sorted(possible)) or 'none'
            self.get_logger().warning(
                f'transition {transition_id} is not possible while {self.state}, only {labels}'
            )
            return False
        was_active = self.is_active
        self._state_machine.trigger_transition_by_id(transition_id, True)
        works = {
            State.TRANSITION_STATE_CONFIGURING: self.configure,
            State.TRANSITION_STATE_ACTIVATING: self.activate,
            State.TRANSITION_STATE_DEACTIVATING: self.deactivate,
            State.TRANSITION_STATE_CLEANINGUP: self.cleanup,
            State.TRANSITION_STATE_SHUTTINGDOWN: lambda: self._shut_down(was_active),
        }
        outcome = await self._do(works[self._state_machine.current_state[0]])
        if outcome != TransitionCallbackReturn.SUCCESS and self.state == 'configuring':
            await self._do(self.cleanup, keep_trouble=True)
        self._state_machine.trigger_transition_by_label(outcome.to_label(), True)
        if outcome == TransitionCallbackReturn.ERROR:
            # From here the node can only go back to the beginning, or end.
            recovered = await self._do(lambda: self._shut_down(was_active), keep_trouble=True)
            self._state_machine.trigger_transition_by_label(recovered.to_label(), True)
        self.get_logger().info(f'is {self.state}')
        return bool(outcome == TransitionCallbackReturn.SUCCESS)

    def _possible(self) -> dict[str, int]:
        """Return the transitions that may be asked for now, by their labels."""
        state_id, _ = self._state_machine.current_state
        if state_id not in _PRIMARY_STATES:
            return {}  # only this node itself may say how the transition it is in has ended
        return {entry[1]: entry[0] for entry in self._state_machine.available_transitions}

    async def _shut_down(self, was_active: bool) -> None:
        if was_active:
            await self.deactivate()
        await self.cleanup()

    async def _do(
        self, work: Callable[[], Awaitable[None]], *, keep_trouble: bool = False
    ) -> TransitionCallbackReturn:
        try:
            await work()
        except VlmRosError as error:
            outcome, trouble = TransitionCallbackReturn.FAILURE, str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the process
            outcome = TransitionCallbackReturn.ERROR
            trouble = f'{type(error).__name__}: {" ".join(str(error).split())}'
        else:
            outcome, trouble = TransitionCallbackReturn.SUCCESS, ''
        if trouble:
            self.get_logger().error(f'{self.state} failed: {trouble}')
        if not keep_trouble:
            self._trouble = trouble
        return outcome

    async def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        possible = self._possible()
        transition_id = request.transition.id
        if label := request.transition.label:
            transition_id = possible.get(label, -1)
        if transition_id in possible.values():
            self._starts_by_itself = False  # somebody takes over
        response.success = await self.change_state(transition_id)
        return response

    def _start_in(self, delay_s: float) -> None:
        self._start_timer = self.create_timer(
            delay_s,
            self._start,
            callback_group=ReentrantCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    async def _start(self) -> None:
        self.destroy_timer(self._start_timer)
        if not self._starts_by_itself:
            return
        configured = self.state == 'inactive' or await self.change_state(
            Transition.TRANSITION_CONFIGURE
        )
        if configured and await self.change_state(Transition.TRANSITION_ACTIVATE):
            return
        if self._starts_by_itself and self.state in ('unconfigured', 'inactive'):
            self.get_logger().info(f'trying again in {self._retry_s:g} s')
            self._start_in(self._retry_s)
            self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
