using System;

namespace Cardwright
{
    /// <summary>The program's own key service: an HSM or a line to one.
    ///
    /// Called by the thread that is in a call which uses it: by several at the same time when several threads use it. The same
    /// request must get the same answer. It throws a <see cref="CardwrightException"/> with <see cref="Status.KeyNotFound"/> to
    /// <see cref="Status.KeyService"/> and a reason without a secret; what else it throws comes out of the call.</summary>
    public interface IKeyService
    {
        /// <summary>Answers one question.</summary>
        KeyAnswer Answer(KeyRequest request);
    }

    /// <summary>A key service as the library calls it.</summary>
    internal sealed class KeyServiceCallbacks
    {
        private readonly IKeyService service;
        private readonly cw_key_request_fn answer;

        internal KeyServiceCallbacks(IKeyService service)
        {
            this.service = Require.NotNull(service, nameof(service));
            answer = Answer;
        }

        internal cw_key_service ToNative()
        {
            return new cw_key_service { answer = answer };
        }

        private int Answer(IntPtr user, IntPtr request, IntPtr answer)
        {
            return Callback.Answer(Status.KeyService, delegate
            {
                KeyRequest question = KeyRequest.FromNative(request);
                try
                {
                    using (KeyAnswer given = Require.Given(service.Answer(question), "the key service"))
                        given.ToNative(answer);
                }
                finally
                {
                    if (question.SessionDek != null)
                        Array.Clear(question.SessionDek, 0, question.SessionDek.Length);
                }
            }, exception => KeyAnswer.Refuse(answer, exception.Message));
        }
    }
}
