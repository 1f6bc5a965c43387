"""Models run in one process for each machine, the model host. Everybody else asks it over a socket.

client      what the rest of `ml` calls: `onnx_model(path).run(...)`
speech      the same for speech: `transcribe(path, samples, ...)`
calls       connections of this process to the host, and one question on one of them
spawn       starts the host where none answers; detach makes it nobody's child
places      where its socket lies, and with which options it runs
wire        how a message looks: a header in JSON, then raw arrays
host        the process itself: who connects, what waits, when it ends
lanes       what runs at once, and what goes first
shelf       the models that are loaded: shared, counted, freed when idle
onnx        a graph in onnxruntime
whisper     a model of speech in whisper.cpp
ggml        pure: whether a file begins as whisper.cpp wants it
silero      where in some sound somebody speaks
pauses      pure: sound without its pauses, and the way back to its times
words       pure: from the tokens of whisper.cpp to words with times
probes      what is remembered of a file of a model
"""
