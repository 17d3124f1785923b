// The chat template that synthetic checkpoints carry. Knows no tokens.

/// `chat_template.jinja`: the conversation format of GLM-4.7 and GLM-5, written from its description.
///
/// Source: specification §10.1.
package enum SyntheticTemplate {
    package static let text = #"""
        {#- Conversation format of GLM-4.7 and GLM-5. Nothing stands between the parts but what is written here. -#}
        {%- macro text_of(content) -%}
          {%- if content is string -%}
            {{- content -}}
          {%- elif content -%}
            {%- for part in content if part is mapping and part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
          {%- endif -%}
        {%- endmacro -%}
        {{- '[gMASK]<sop>' -}}
        {%- if tools -%}
          {{- '<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' -}}
          {{- 'You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n' -}}
          {%- for tool in tools -%}{{- tool | tojson(ensure_ascii=False) + '\n' -}}{%- endfor -%}
          {{- '</tools>\n\nFor each function call, output the function name and arguments within ' -}}
          {{- 'the following XML format:\n<tool_call>{function-name}' -}}
          {{- '<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>' -}}
          {{- '<arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>' -}}
        {%- endif -%}
        {%- set place = namespace(user=-1) -%}
        {%- for message in messages -%}
          {%- if message.role == 'user' -%}{%- set place.user = loop.index0 -%}{%- endif -%}
        {%- endfor -%}
        {%- for message in messages -%}
          {%- if message.role == 'system' -%}
            {{- '<|system|>' + text_of(message.content) -}}
          {%- elif message.role == 'user' -%}
            {{- '<|user|>' + text_of(message.content) -}}
          {%- elif message.role == 'assistant' -%}
            {%- set answer = namespace(text=text_of(message.content), thought='') -%}
            {%- if message.reasoning_content is string -%}
              {%- set answer.thought = message.reasoning_content -%}
            {%- elif '</think>' in answer.text -%}
              {%- set answer.thought = answer.text.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') -%}
              {%- set answer.text = answer.text.split('</think>')[-1].lstrip('\n') -%}
            {%- endif -%}
            {%- set recent = loop.index0 > place.user -%}
            {%- set kept = clear_thinking is defined and not clear_thinking -%}
            {{- '<|assistant|>' -}}
            {{- '<think>' + answer.thought.strip() + '</think>' if answer.thought and (recent or kept) else '</think>' -}}
            {{- answer.text.strip() -}}
            {%- for call in message.tool_calls or [] -%}
              {%- set function = call.function or call -%}
              {{- '<tool_call>' + function.name -}}
              {%- for key, value in function.arguments.items() -%}
                {{- '<arg_key>' + key + '</arg_key><arg_value>' -}}
                {{- value if value is string else value | tojson(ensure_ascii=False) -}}
                {{- '</arg_value>' -}}
              {%- endfor -%}
              {{- '</tool_call>' -}}
            {%- endfor -%}
          {%- elif message.role == 'tool' -%}
            {%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}{{- '<|observation|>' -}}{%- endif -%}
            {{- '<tool_response>' + text_of(message.content) + '</tool_response>' -}}
          {%- endif -%}
        {%- endfor -%}
        {%- if add_generation_prompt -%}
          {{- '<|assistant|>' -}}
          {{- '</think>' if enable_thinking is defined and not enable_thinking else '<think>' -}}
        {%- endif -%}
        """#
}
