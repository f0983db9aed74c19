using System;
using System.Runtime.ExceptionServices;

namespace Cardwright
{
    /// <summary>The border between the library and delegates: no exception crosses it, and none is lost.</summary>
    internal static class Callback
    {
        // What a delegate threw during the call that this thread is in. Answers are failures that the library was told of; all
        // other exceptions come out of the call.
        [ThreadStatic]
        private static Exception thrown;

        [ThreadStatic]
        private static bool thrownIsAnswer;

        /// <summary>Runs a delegate that answers with a status; a <see cref="CardwrightException"/> is such an answer.</summary>
        internal static int Answer(Status otherwise, Action body, Action<CardwrightException> failed = null)
        {
            return Guard((int)otherwise, true, delegate
            {
                try
                {
                    body();
                    return 0;
                }
                catch (CardwrightException exception)
                {
                    failed?.Invoke(exception);
                    throw;
                }
            });
        }

        /// <summary>Runs a delegate that is told something; 0 when it wants more.</summary>
        internal static int Tell(Func<bool> body)
        {
            return Guard(1, false, () => body() ? 0 : 1);
        }

        /// <summary>Ends a call: throws what came out of a delegate, or what the status says.</summary>
        internal static void Check(int status)
        {
            Exception inner = thrown;
            thrown = null;
            if (inner != null && !thrownIsAnswer)
                ExceptionDispatchInfo.Capture(inner).Throw();
            if (status != 0)
                throw CardwrightException.OfLastCall(status, inner);
        }

        private static int Guard(int otherwise, bool answers, Func<int> body)
        {
            // A delegate may call the library too, and its calls end within it.
            Exception before = thrown;
            bool beforeIsAnswer = thrownIsAnswer;
            thrown = null;
            try
            {
                return body();
            }
            catch (Exception exception)
            {
                CardwrightException answer = answers ? exception as CardwrightException : null;
                thrown = exception;
                thrownIsAnswer = answer != null;
                return answer != null ? (int)answer.Status : otherwise;
            }
            finally
            {
                if (before != null && (thrown == null || !beforeIsAnswer))
                {
                    thrown = before;
                    thrownIsAnswer = beforeIsAnswer;
                }
            }
        }
    }
}
